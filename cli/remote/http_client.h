#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/registry/patience.h"

namespace cli {

/// One download.
struct HttpRequest {
  std::string url;  ///< http or https
  std::vector<std::pair<std::string, std::string>> headers;
  std::function<void(uint64_t done, uint64_t total)> progress;  ///< total 0: unknown
  /// Asked before a redirect is followed, with its absolute address; returns the one to go to, or
  /// throws.
  std::function<std::string(const std::string& url)> redirected = {};
  std::stop_token stop;
  registry::Retries retries = {};
  registry::WaitNotice waiting = {};
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< of the last answer; names in lower case

  std::string header(const std::string& name) const;
};

/// Fetches `request.url` into `body` (only of an answer with status 200): redirects are followed,
/// at most ten, never from https to http, and a header Authorization stays with the origin it was
/// given for; proxies come from the environment. Tries again where that may help, unless bytes have
/// arrived already. Throws Unavailable for connections that fail, Cancelled, Unsupported when
/// libcurl is not installed, and what `body` throws.
///
/// libcurl is loaded when first needed: most commands never need it, and it brings some thirty
/// shared objects, which would cost every start of the program more than all the rest of it.
/// [spec/security.md 7, registry rules for redirects]
HttpResponse http_get(const HttpRequest& request, base::Sink& body);

/// Seconds since 1970 of an HTTP date ("Sun, 06 Nov 1994 08:49:37 GMT"), if it is one.
std::optional<int64_t> parse_http_date(const std::string& text);

}  // namespace cli
