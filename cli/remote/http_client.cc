#include "cli/remote/http_client.h"

#include <time.h>

#include <exception>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/git_reference.h"
#include "store/registry/curl_library.h"

namespace cli {

namespace {

const registry::CurlLibrary& curl() { return registry::curl_library(); }

/// One attempt; what libcurl calls back with.
class Transfer {
 public:
  Transfer(const HttpRequest& request, base::Sink& body)
      : request_(request), body_(body), handle_(curl().easy_init()) {
    if (handle_ == nullptr) throw base::Error(base::Code::kFailed, "libcurl gives no handle", "libcurl-missing");
    for (const auto& [name, value] : request.headers) add_header(name + ": " + value);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl().easy_cleanup(handle_);
    if (list_ != nullptr) curl().slist_free_all(list_);
  }

  CURLcode perform() {
    bool secure = request_.url.starts_with("https:");
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, 10L);
    set(CURLOPT_USERAGENT, "torte");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, 30L);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, 60L);
    set(CURLOPT_HTTPHEADER, list_);
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    set(CURLOPT_XFERINFODATA, this);
    CURLcode code = curl().easy_perform(handle_);
    if (error_) std::rethrow_exception(error_);
    if (request_.stop.stop_requested())
      throw base::Error(base::Code::kCancelled, "download cancelled", "cancelled");
    response_.status = static_cast<int>(status());
    return code;
  }

  HttpResponse& response() { return response_; }
  bool has_written() const { return written_ > 0; }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    if (curl().easy_setopt(handle_, option, value) != CURLE_OK)
      throw base::Error(base::Code::kUnsupported, "this libcurl is too old", "libcurl-missing");
  }
  void add_header(const std::string& line) { list_ = curl().slist_append(list_, line.c_str()); }
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
  curl_slist* list_ = nullptr;
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
    const std::string what = base::str("download ", base::printable(dockerfile::without_userinfo(request.url), 200), ": ",
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
