#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "store/registry/auth.h"
#include "store/registry/credentials.h"
#include "store/registry/http.h"
#include "store/registry/patience.h"
#include "store/registry/range_tickets.h"

namespace registry {

struct ClientOptions {
  Tls tls;
  /// Plain http may be used where the server speaks no TLS: this machine's own registries, and
  /// those called insecure.
  bool allow_http = false;
  std::stop_token stop;
  WaitNotice waiting;
  Retries retries;
};

/// One registry: requests with the right credentials, tries and redirects.
///
/// Credentials and tokens go to the registry's own origin and nowhere else; a redirect to another
/// one is followed without them, and a 401 there is not answered. https never becomes http. At most
/// ten hops. May be shared by threads. [spec/security.md 7]
class Client {
 public:
  /// `host` is "docker.io" or "registry:5000"; `credentials` is borrowed, null for none.
  Client(std::string host, Credentials* credentials, ClientOptions options);

  struct Ask {
    std::string method = "GET";
    std::string path = {};         ///< "/v2/..."
    std::optional<Url> url = {};   ///< instead of `path`: an address the registry gave us
    std::string repository = {};   ///< whose credentials and tokens
    std::string actions = "pull";  ///< "pull" or "pull,push"
    std::string more_scope = {};   ///< a second scope: "repository:other:pull"
    std::vector<std::string> headers = {};
    /// Gives the body from its beginning, once for each try.
    std::function<std::unique_ptr<base::Source>()> body = {};
    std::optional<uint64_t> body_bytes = {};
    std::chrono::milliseconds least_silence{0};  ///< longer than usual: the server has work to do
  };

  /// The answer, whatever its status, once it is no longer worth trying again. Redirects of GET and
  /// HEAD are followed. Throws TransportError, Denied, Cancelled.
  std::unique_ptr<Exchange> ask(const Ask& ask, Patience& patience);
  std::unique_ptr<Exchange> ask(const Ask& ask);
  /// One try only, but for a 401: for uploads, where what to do next depends on how far they got.
  /// It may be silent for as long as `patience` says.
  std::unique_ptr<Exchange> ask_once(const Ask& ask, const Patience& patience);

  Patience patience() const;
  /// Where the registry answers. Finds out whether it speaks TLS, the first time.
  const Origin& origin();
  const std::string& host() const { return host_; }
  Authenticator& authenticator(const std::string& repository);
  /// For ranges of blobs that come at the same time.
  RangeTickets& range_tickets() { return range_tickets_; }
  /// Throws the error that an answer stands for: "what: who said what", with facts and helps.
  [[noreturn]] void fail(Exchange& exchange, const std::string& what);

 private:
  std::unique_ptr<Exchange> send(const Ask& ask, std::chrono::milliseconds silence);
  std::unique_ptr<Exchange> send_authorized(const Ask& ask, Url url,
                                            std::chrono::milliseconds silence);
  std::unique_ptr<Exchange> follow(const Ask& ask, std::unique_ptr<Exchange> exchange,
                                   std::chrono::milliseconds silence);
  Origin find_origin();

  const std::string host_;
  Credentials* const credentials_;
  const ClientOptions options_;
  HttpClient http_;
  RangeTickets range_tickets_{6};
  std::mutex mutex_;
  std::optional<Origin> origin_;
  std::map<std::string, std::unique_ptr<Authenticator>> authenticators_;  ///< by repository
};

}  // namespace registry
