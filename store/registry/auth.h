#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "store/registry/credentials.h"
#include "store/registry/header_fields.h"
#include "store/registry/http.h"

namespace registry {

/// What a token server answered.
struct TokenAnswer {
  std::string token;
  std::string refresh_token;
  std::chrono::seconds lifetime{60};
};
/// nullopt unless it is a JSON object with a token that may stand in a header.
std::optional<TokenAnswer> parse_token_answer(std::string_view json);

/// May `realm` hand out tokens for the registry at `origin`? Only over https, or at the very same
/// origin. With credentials also only on the registry's own domain: a registry that names a
/// stranger is fishing for passwords. [CVE-2020-15157]
bool may_ask_realm(const Origin& origin, const Url& realm, bool with_credentials);

/// Proves to one registry who we are: Basic, or tokens by scope, fetched when a 401 asks for them,
/// kept until they expire. May be shared by threads.
class Authenticator {
 public:
  /// `send` makes requests to token servers, with retries. Redirects it leaves alone.
  using Send = std::function<std::unique_ptr<Exchange>(const Request&)>;
  Authenticator(Origin origin, std::optional<Credential> credential, Send send);

  /// The Authorization header's value for requests of this scope, or "" while none was asked for.
  std::string authorization(const std::string& scope);
  /// After a 401: the header for the second try. `used` is the one that was refused ("": none).
  /// Throws Denied when there is nothing (more) to offer.
  std::string answer(const Exchange& refused, const std::string& scope, const std::string& used);
  /// True when other requests have had this header too, or another one now: that it was refused may
  /// be their doing, where a token serves a few times only.
  bool is_shared(const std::string& scope, const std::string& used);

  const std::optional<Credential>& credential() const { return credential_; }
  /// A refresh token that the server gave with an access token, for `login`.
  std::string identity_token();

 private:
  struct Token {
    std::string header;
    std::chrono::steady_clock::time_point expires;
    unsigned uses = 1;  ///< requests that got it
  };
  std::string basic() const;
  Token fetch(const Challenge& challenge, const std::string& scope);
  std::unique_ptr<Exchange> ask_by_get(const Url& realm, const std::string& service,
                                       const std::vector<std::string>& scopes);
  std::unique_ptr<Exchange> ask_by_post(const Url& realm, const std::string& service,
                                        const std::vector<std::string>& scopes);
  [[noreturn]] void deny(const std::string& why) const;

  const Origin origin_;
  const std::optional<Credential> credential_;
  const Send send_;
  std::mutex mutex_;
  bool use_basic_ = false;
  std::optional<Challenge> bearer_;  ///< the last one seen
  std::map<std::string, Token> tokens_;
  std::string identity_token_;
};

}  // namespace registry
