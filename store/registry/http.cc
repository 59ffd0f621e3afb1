#include "store/registry/http.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>

#include "base/sys/file.h"
#include "base/text.h"
#include "store/registry/curl_library.h"

namespace registry {

namespace {

constexpr size_t kMostHeaderBytes = 64 << 10;
constexpr size_t kMostHeaders = 100;
constexpr long kBufferBytes = 512 << 10;  // 1.2 to 1.8 times the speed of the usual 16 KiB
constexpr size_t kMostBuffered = 2 << 20;
constexpr int64_t kLeastBytesPerSecond = 1024;

base::Code code_of(Fault fault) {
  switch (fault) {
    case Fault::kCertificate:
      return base::Code::kDenied;
    case Fault::kProtocol:
      return base::Code::kInvalid;
    default:
      return base::Code::kUnavailable;
  }
}

const char* id_of(Fault fault) {
  switch (fault) {
    case Fault::kCertificate:
      return "registry-certificate";
    case Fault::kProtocol:
      return "registry-protocol";
    case Fault::kSilence:
      return "registry-silent";
    default:
      return "registry-unreachable";
  }
}

Fault fault_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
      return Fault::kResolve;
    case CURLE_COULDNT_CONNECT:
      return Fault::kConnect;
    case CURLE_OPERATION_TIMEDOUT:
      return Fault::kSilence;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return Fault::kCertificate;
    case CURLE_SSL_CONNECT_ERROR:
      return Fault::kNotTls;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    // A kept connection turned out dead after part of a body had gone: libcurl cannot rewind it, we
    // can.
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return Fault::kReset;
    default:
      return Fault::kProtocol;
  }
}

bool is_refused(uint32_t ip, Reach reach) {
  bool link = (ip >> 16) == 0xa9fe;
  bool local = (ip >> 24) == 127 || (ip >> 24) == 0;
  return link || (reach == Reach::kPublic && local);
}

/// Judged by the address a name was resolved to, not by the name: names can lie.
bool is_refused(const sockaddr* address, Reach reach) {
  if (reach == Reach::kAnywhere) return false;
  if (address->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    return is_refused(ntohl(in.sin_addr.s_addr), reach);
  }
  if (address->sa_family != AF_INET6) return true;
  sockaddr_in6 in;
  std::memcpy(&in, address, sizeof in);
  if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
    uint32_t ip;
    std::memcpy(&ip, &in.sin6_addr.s6_addr[12], sizeof ip);
    return is_refused(ntohl(ip), reach);
  }
  // fd00:ec2::254 is where one cloud answers over IPv6.
  static constexpr uint8_t kMetadata[] = {0xfd, 0, 0x0e, 0xc2};
  if (IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr) ||
      std::memcmp(&in.sin6_addr, kMetadata, sizeof kMetadata) == 0)
    return true;
  return reach == Reach::kPublic &&
         (IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&in.sin6_addr));
}

/// Libcurl's own handles: an easy one that does the talking, and a multi one that lets us wait, and
/// that keeps the connection for the next request.
struct Handle {
  Handle() : curl(curl_library()), easy(curl.easy_init()), multi(curl.multi_init()) {
    CHECK(easy != nullptr && multi != nullptr);
    curl.multi_setopt(multi, CURLMOPT_MAXCONNECTS, 4L);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    curl.easy_cleanup(easy);
    curl.multi_cleanup(multi);
  }
  const CurlLibrary& curl;
  CURL* easy;
  CURLM* multi;
};

}  // namespace

struct HttpClient::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Handle>> idle;
  std::string authorities;  ///< PEM of Tls::authorities

  std::unique_ptr<Handle> take() {
    {
      std::lock_guard lock(mutex);
      if (!idle.empty()) {
        auto handle = std::move(idle.back());
        idle.pop_back();
        return handle;
      }
    }
    return std::make_unique<Handle>();
  }
  void put(std::unique_ptr<Handle> handle) {
    std::lock_guard lock(mutex);
    idle.push_back(std::move(handle));
  }
};

TransportError::TransportError(Fault fault, std::string message)
    : Error(code_of(fault), std::move(message), id_of(fault)), fault_(fault) {}

std::optional<std::string> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : fields_)
    if (key == name) return value;
  return std::nullopt;
}

std::vector<std::string> Headers::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : fields_)
    if (key == name) values.push_back(value);
  return values;
}

struct Exchange::State {
  State(std::shared_ptr<HttpClient::Pool> owner, const Request& asked, const HttpOptions& settings)
      : pool(std::move(owner)), handle(pool->take()), request(asked), options(settings) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (added) handle->curl.multi_remove_handle(handle->multi, handle->easy);
    if (fields != nullptr) handle->curl.slist_free_all(fields);
    // A body cut short leaves the connection unusable; libcurl closes it when the handle is
    // removed. After a failure libcurl may still hold buffers that a new request cannot change.
    if (!done || result != CURLE_OK) return;
    handle->curl.easy_reset(handle->easy);
    pool->put(std::move(handle));
  }

  template <typename Value>
  void set(CURLoption option, Value value) {
    CURLcode code = handle->curl.easy_setopt(handle->easy, option, value);
    CHECK(code == CURLE_OK || code == CURLE_NOT_BUILT_IN || code == CURLE_UNKNOWN_OPTION);
  }
  void set_up();
  void set_method();
  void set_tls();
  void set_proxy();
  void start();
  /// One round: lets libcurl work, waits a moment when it had nothing to do.
  void pump();
  void settle();
  void watch(std::chrono::steady_clock::duration waited);
  [[noreturn]] void fail(Fault fault, const std::string& why) const;

  // Called by libcurl: an exception is kept, the C failure returned.
  static size_t on_header(char* data, size_t size, size_t count, void* self);
  static size_t on_body(char* data, size_t size, size_t count, void* self);
  static size_t on_send(char* buffer, size_t size, size_t count, void* self);
  static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* address);
  void take_header(std::string_view line);
  void end_of_head();

  std::shared_ptr<HttpClient::Pool> pool;
  std::unique_ptr<Handle> handle;
  Request request;
  HttpOptions options;
  curl_slist* fields = nullptr;
  char problem[CURL_ERROR_SIZE] = {};
  bool added = false;

  int status = 0;
  Headers headers;
  size_t header_bytes = 0;
  bool head_done = false;
  bool refused_address = false;

  std::string buffer;  ///< body received and not read yet
  size_t given = 0;
  bool paused = false;
  bool done = false;
  CURLcode result = CURLE_OK;
  std::exception_ptr error;

  uint64_t moved = 0;                             ///< bytes in either direction
  uint64_t moved_before = 0;                      ///< at the start of the current window of silence
  std::chrono::steady_clock::duration waited{0};  ///< in that window
  std::chrono::steady_clock::duration quiet{0};   ///< since the last byte
};

void Exchange::State::fail(Fault fault, const std::string& why) const {
  throw TransportError(fault,
                       base::str(request.method, " ", request.url.origin().str(), ": ", why));
}

size_t Exchange::State::on_header(char* data, size_t size, size_t count, void* self) {
  auto& state = *static_cast<State*>(self);
  try {
    state.moved += size * count;
    state.take_header({data, size * count});
    return size * count;
  } catch (...) {
    state.error = std::current_exception();
    return 0;
  }
}

void Exchange::State::take_header(std::string_view line) {
  header_bytes += line.size();
  if (header_bytes > kMostHeaderBytes) fail(Fault::kProtocol, "more than 64 KiB of headers");
  if (head_done) return;  // a trailer after chunks: none of it is needed, so none of it is believed
  line = base::trim(line);
  if (line.starts_with("HTTP/")) {  // a first one, or the one after "100 Continue"
    headers.clear();
    return;
  }
  if (line.empty()) return end_of_head();
  if (headers.size() >= kMostHeaders) fail(Fault::kProtocol, "more than 100 headers");
  size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  headers.add(base::to_lower(base::trim(line.substr(0, colon))),
              std::string(base::trim(line.substr(colon + 1))));
}

void Exchange::State::end_of_head() {
  long code = 0;
  handle->curl.easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &code);
  if (code < 200) return;
  status = static_cast<int>(code);
  head_done = true;
  auto lengths = headers.all("content-length");
  if (lengths.size() > 1) fail(Fault::kProtocol, "the answer has two lengths");
  auto codings = headers.all("transfer-encoding");
  if (!lengths.empty() && !codings.empty())
    fail(Fault::kProtocol, "the answer has a length and comes in chunks as well");
  if (codings.size() > 1 || (!codings.empty() && base::to_lower(codings.front()) != "chunked"))
    fail(Fault::kProtocol, "the answer is packed for its way, which nobody asked for");
  if (!lengths.empty() && !base::parse_decimal(lengths.front()))
    fail(Fault::kProtocol, "the answer's length is not a number");
}

size_t Exchange::State::on_body(char* data, size_t size, size_t count, void* self) {
  auto& state = *static_cast<State*>(self);
  if (state.buffer.size() - state.given > kMostBuffered) {
    state.paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  state.moved += size * count;
  state.buffer.append(data, size * count);
  return size * count;
}

size_t Exchange::State::on_send(char* buffer, size_t size, size_t count, void* self) {
  auto& state = *static_cast<State*>(self);
  try {
    size_t n = state.request.body->read({reinterpret_cast<std::byte*>(buffer), size * count});
    state.moved += n;
    return n;
  } catch (...) {
    state.error = std::current_exception();
    return CURL_READFUNC_ABORT;
  }
}

curl_socket_t Exchange::State::on_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& state = *static_cast<State*>(self);
  if (is_refused(&address->addr, state.request.reach)) {
    state.refused_address = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void Exchange::State::set_method() {
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request.body != nullptr) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    set(CURLOPT_READFUNCTION, &on_send);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
    set(CURLOPT_INFILESIZE_LARGE,
        request.body_bytes ? static_cast<curl_off_t>(*request.body_bytes) : curl_off_t{-1});
  } else if (request.method == "GET") {
    set(CURLOPT_HTTPGET, 1L);
  } else {
    // A body of no bytes, so that the request says "Content-Length: 0".
    if (request.method != "DELETE") set(CURLOPT_POSTFIELDS, "");
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

void Exchange::State::set_tls() {
  const Tls& tls = options.tls;
  set(CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
  if (!tls.certificate.empty()) set(CURLOPT_SSLCERT, tls.certificate.c_str());
  if (!tls.key.empty()) set(CURLOPT_SSLKEY, tls.key.c_str());
  if (pool->authorities.empty()) return;
  curl_blob blob{pool->authorities.data(), pool->authorities.size(), CURL_BLOB_NOCOPY};
  set(CURLOPT_CAINFO_BLOB, &blob);
  set(CURLOPT_CAPATH, "/etc/ssl/certs");
}

// The usual variables, which libcurl reads itself; except that it takes http_proxy in lower case
// only, and that nobody wants this machine's own registry through a proxy.
void Exchange::State::set_proxy() {
  if (is_loopback_host(request.url.origin().host)) {
    set(CURLOPT_PROXY, "");
  } else if (request.url.origin().scheme == "http" && std::getenv("http_proxy") == nullptr) {
    if (const char* proxy = std::getenv("HTTP_PROXY")) set(CURLOPT_PROXY, proxy);
  }
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void Exchange::State::set_up() {
  set(CURLOPT_URL, request.url.str().c_str());
  set(CURLOPT_ERRORBUFFER, problem);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP09_ALLOWED, 0L);
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_BUFFERSIZE, kBufferBytes);
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &on_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set_method();
  set_tls();
  set_proxy();
  // Without it libcurl waits a second before it sends a body.
  fields = handle->curl.slist_append(fields, "Expect:");
  for (const std::string& field : request.headers)
    fields = handle->curl.slist_append(fields, field.c_str());
  set(CURLOPT_HTTPHEADER, fields);
}

void Exchange::State::start() {
  set_up();
  CHECK(handle->curl.multi_add_handle(handle->multi, handle->easy) == CURLM_OK);
  added = true;
  while (!head_done && !done) pump();
  // A short answer may have come and broken off in one go: what came of its body is still good.
  if (error || (done && !head_done)) settle();
}

void Exchange::State::pump() {
  if (options.stop.stop_requested())
    throw base::Error(base::Code::kCancelled, "interrupted", "cancelled");
  uint64_t before = moved;
  if (paused && buffer.size() - given <= kMostBuffered / 2) {
    paused = false;
    handle->curl.easy_pause(handle->easy, CURLPAUSE_CONT);
  }
  int running = 0;
  handle->curl.multi_perform(handle->multi, &running);
  int left = 0;
  while (CURLMsg* message = handle->curl.multi_info_read(handle->multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    done = true;
    result = message->data.result;
  }
  if (moved != before) quiet = {};
  if (done || moved != before) return;
  auto start = std::chrono::steady_clock::now();
  handle->curl.multi_poll(handle->multi, nullptr, 0, 200, nullptr);
  watch(std::chrono::steady_clock::now() - start);
}

// Only the time spent waiting for the other side counts: a reader that takes its time is no fault
// of the server.
void Exchange::State::watch(std::chrono::steady_clock::duration time) {
  waited += time;
  quiet += time;
  if (waited < request.silence && quiet < request.silence) return;
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(request.silence).count();
  bool silent = quiet >= request.silence;
  if (silent || moved - moved_before <
                    static_cast<uint64_t>(kLeastBytesPerSecond * std::max<int64_t>(seconds, 1)))
    fail(Fault::kSilence, base::str(silent ? "nothing came" : "less than 1 KiB a second came",
                                    " for ", seconds, " seconds"));
  waited = {};
  moved_before = moved;
}

void Exchange::State::settle() {
  if (error) std::rethrow_exception(std::exchange(error, nullptr));
  if (result == CURLE_OK && head_done) return;
  if (refused_address)
    fail(Fault::kProtocol, "a redirect leads to a local address, which is refused");
  // What libcurl calls a header line beyond its own limit.
  if (result == CURLE_OUT_OF_MEMORY && !head_done) fail(Fault::kProtocol, "a header is too long");
  std::string why = problem[0] != '\0' ? base::printable(problem, 200)
                                       : std::string(handle->curl.easy_strerror(result));
  fail(result == CURLE_OK ? Fault::kReset : fault_of(result), why);
}

Exchange::Exchange(std::unique_ptr<State> state) : state_(std::move(state)) {}
Exchange::~Exchange() = default;
int Exchange::status() const { return state_->status; }
const Headers& Exchange::headers() const { return state_->headers; }
const Url& Exchange::url() const { return state_->request.url; }

std::optional<uint64_t> Exchange::length() const {
  auto text = state_->headers.find("content-length");
  return text ? base::parse_decimal(*text) : std::nullopt;
}

size_t Exchange::read(std::span<std::byte> buffer) {
  State& state = *state_;
  if (buffer.empty()) return 0;
  while (state.given == state.buffer.size()) {
    state.buffer.clear();
    state.given = 0;
    if (state.done) {
      state.settle();
      return 0;
    }
    state.pump();
  }
  size_t n = std::min(buffer.size(), state.buffer.size() - state.given);
  std::memcpy(buffer.data(), state.buffer.data() + state.given, n);
  state.given += n;
  return n;
}

std::string Exchange::read_text(uint64_t limit) {
  if (length().value_or(0) > limit)
    throw base::Error(base::Code::kInvalid, base::str("the answer has more than ", limit, " bytes"),
                      "registry-too-large");
  std::string text;
  std::array<std::byte, 16384> piece;
  for (size_t n = read(piece); n > 0; n = read(piece)) {
    text.append(base::as_text(base::Bytes(piece).first(n)));
    if (text.size() > limit)
      throw base::Error(base::Code::kInvalid,
                        base::str("the answer has more than ", limit, " bytes"),
                        "registry-too-large");
  }
  return text;
}

std::string Exchange::read_some(size_t limit) noexcept {
  try {
    std::string text(limit, '\0');
    auto bytes = std::as_writable_bytes(std::span(text));
    text.resize(base::read_full(*this, bytes));
    return text;
  } catch (...) {
    return {};
  }
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

HttpClient::HttpClient(HttpOptions options)
    : options_(std::move(options)), pool_(std::make_shared<Pool>()) {
  constexpr uint64_t kMostAuthorityBytes = 4 << 20;
  for (const std::filesystem::path& file : options_.tls.authorities)
    pool_->authorities += sys::read_user_file(file, kMostAuthorityBytes) + "\n";
}
HttpClient::~HttpClient() = default;

std::unique_ptr<Exchange> HttpClient::send(const Request& request) {
  std::unique_ptr<Exchange> exchange(
      new Exchange(std::make_unique<Exchange::State>(pool_, request, options_)));
  exchange->state_->start();
  return exchange;
}

}  // namespace registry
