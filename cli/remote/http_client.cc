#include "cli/remote/http_client.h"

#include <time.h>

#include <exception>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/git_reference.h"
#include "store/registry/curl_library.h"
#include "store/registry/http.h"
#include "store/registry/url.h"

namespace cli {

namespace {

const registry::CurlLibrary& curl() { return registry::curl_library(); }

/// One attempt; what libcurl calls back with.
class Transfer {
 public:
  Transfer(const HttpRequest& request, base::Sink& body)
      : request_(request), body_(body), handle_(curl().easy_init()) {
    if (handle_ == nullptr)
      throw base::Error(base::Code::kFailed, "libcurl gives no handle", "libcurl-missing");
    for (const auto& [name, value] : request.headers) {
      add_header(own_, name + ": " + value);
      if (base::to_lower(name) != "authorization") add_header(others_, name + ": " + value);
    }
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl().easy_cleanup(handle_);
    for (curl_slist* list : {own_, others_})
      if (list != nullptr) curl().slist_free_all(list);
  }

  /// Follows redirects itself: each may have to be asked about.
  CURLcode perform() {
    configure();
    std::string url = request_.url;
    for (int hop = 0;; ++hop) {
      const bool is_own = hop == 0 || origin_of(url) == origin_of(request_.url);
      const std::string address = is_own ? with_user_of(request_.url, url) : url;
      set(CURLOPT_URL, address.c_str());
      set(CURLOPT_HTTPHEADER, is_own ? own_ : others_);
      const CURLcode code = perform_once();
      const std::optional<registry::Url> next = code == CURLE_OK ? redirect(url) : std::nullopt;
      if (!next) return code;
      if (hop == kMostRedirects) return CURLE_TOO_MANY_REDIRECTS;
      url = request_.redirected ? request_.redirected(next->str()) : next->str();
      if (request_.url.starts_with("https:") && !url.starts_with("https:"))
        return CURLE_UNSUPPORTED_PROTOCOL;
    }
  }

  HttpResponse& response() { return response_; }
  bool has_written() const { return written_ > 0; }

 private:
  static constexpr int kMostRedirects = 10;

  void configure() {
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_USERAGENT, "torte");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, 30L);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, 60L);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    set(CURLOPT_XFERINFODATA, this);
  }

  CURLcode perform_once() {
    CURLcode code = curl().easy_perform(handle_);
    if (error_) std::rethrow_exception(error_);
    if (request_.stop.stop_requested())
      throw base::Error(base::Code::kCancelled, "download cancelled", "cancelled");
    response_.status = static_cast<int>(status());
    return code;
  }

  static std::optional<registry::Url> parse(const std::string& url) {
    return registry::Url::try_parse(dockerfile::without_userinfo(url));
  }
  static std::optional<registry::Origin> origin_of(const std::string& url) {
    std::optional<registry::Url> parsed = parse(url);
    return parsed ? std::optional(parsed->origin()) : std::nullopt;
  }

  // Where the answer is instead, if it is elsewhere.
  std::optional<registry::Url> redirect(const std::string& url) const {
    const std::string location = response_.header("location");
    std::optional<registry::Url> here = parse(url);
    if (!registry::is_redirect(response_.status) || location.empty() || !here) return std::nullopt;
    return here->resolve(location);
  }

  // User and password of an address belong to all of its origin.
  static std::string with_user_of(const std::string& first, const std::string& url) {
    const size_t start = first.find("://") + 3;
    const size_t at = first.substr(0, first.find_first_of("/?#", start)).rfind('@');
    const size_t rest = url.find("://") + 3;
    const bool has_user =
        url.substr(0, url.find_first_of("/?#", rest)).find('@') != std::string::npos;
    if (at == std::string::npos || has_user) return url;
    return url.substr(0, rest) + first.substr(start, at + 1 - start) + url.substr(rest);
  }

  template <typename Value>
  void set(CURLoption option, Value value) {
    if (curl().easy_setopt(handle_, option, value) != CURLE_OK)
      throw base::Error(base::Code::kUnsupported, "this libcurl is too old", "libcurl-missing");
  }
  static void add_header(curl_slist*& list, const std::string& line) {
    list = curl().slist_append(list, line.c_str());
  }
  long status() {
    long code = 0;
    curl().easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &code);
    return code;
  }

  static size_t on_header(char* data, size_t size, size_t count, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    std::string_view line = base::trim({data, size * count});
    if (line.starts_with("HTTP/")) transfer->response_.headers.clear();  // of a redirect before
    size_t colon = line.find(':');
    if (colon != std::string_view::npos)
      transfer->response_.headers[base::to_lower(line.substr(0, colon))] =
          base::trim(line.substr(colon + 1));
    return size * count;
  }

  static size_t on_body(char* data, size_t size, size_t count, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    if (transfer->status() != 200) return size * count;
    try {
      transfer->body_.write(base::as_bytes({data, size * count}));
      transfer->written_ += size * count;
    } catch (...) {
      transfer->error_ = std::current_exception();
      return 0;
    }
    return size * count;
  }

  static int on_progress(void* self, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
    auto* transfer = static_cast<Transfer*>(self);
    if (transfer->request_.progress && transfer->status() == 200)
      transfer->request_.progress(static_cast<uint64_t>(done), static_cast<uint64_t>(total));
    return transfer->request_.stop.stop_requested() ? 1 : 0;
  }

  const HttpRequest& request_;
  base::Sink& body_;
  CURL* handle_;
  curl_slist* own_ = nullptr;     // headers for the origin that was asked for
  curl_slist* others_ = nullptr;  // and for where redirects lead
  HttpResponse response_;
  uint64_t written_ = 0;
  std::exception_ptr error_;
};

bool may_help_again(CURLcode code, int status) {
  if (code != CURLE_OK)
    return code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT ||
           code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
  return status == 408 || status == 429 || status >= 500;
}

}  // namespace

std::string HttpResponse::header(const std::string& name) const {
  auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

HttpResponse http_get(const HttpRequest& request, base::Sink& body) {
  registry::Retries retries = request.retries;
  if (!retries.most) retries.most = 2;
  registry::Patience patience(request.stop, request.waiting, "", retries);
  for (;;) {
    Transfer transfer(request, body);
    CURLcode code = transfer.perform();
    const int status = transfer.response().status;
    const std::string what = base::str(
        "download ", base::printable(dockerfile::without_userinfo(request.url), 200), ": ",
        code == CURLE_OK ? base::str("the server answered ", status) : curl().easy_strerror(code));
    if (!transfer.has_written() && may_help_again(code, status) && patience.wait(what)) continue;
    if (code != CURLE_OK) throw base::Error(base::Code::kUnavailable, what, "download-failed");
    return std::move(transfer.response());
  }
}

std::optional<int64_t> parse_http_date(const std::string& text) {
  tm parts{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&parts);
}

}  // namespace cli
