#include "store/registry/auth.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "store/oci/base64.h"
#include "store/registry/curl_library.h"

namespace registry {

namespace {

constexpr uint64_t kMostTokenBytes = 1 << 20;
constexpr std::chrono::seconds kMargin{10};

bool is_address(std::string_view host) {
  return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_same_domain(const std::string& one, const std::string& other) {
  if (one == other) return true;
  if (is_address(one) || is_address(other)) return false;
  return std::string_view(registrable_domain(one.c_str())) == registrable_domain(other.c_str());
}

/// What we need and what the challenge asks for: each resource once, with all actions.
std::vector<std::string> scopes_of(const Challenge& challenge, const std::string& scope) {
  std::vector<std::string> resources;
  std::map<std::string, std::set<std::string>> actions;
  for (const std::string& text : {scope, challenge.get("scope")})
    for (const std::string& word : base::split(text, ' ')) {
      if (word.empty()) continue;
      size_t colon = std::min(word.rfind(':'), word.size());
      std::string resource = word.substr(0, colon);
      if (!actions.contains(resource)) resources.push_back(resource);
      for (const std::string& action :
           base::split(word.substr(std::min(colon + 1, word.size())), ','))
        actions[resource].insert(action);
    }
  std::vector<std::string> scopes;
  for (const std::string& resource : resources) {
    const std::set<std::string>& names = actions[resource];
    scopes.push_back(resource + ":" + base::join({names.begin(), names.end()}, ","));
  }
  return scopes;
}

}  // namespace

std::optional<TokenAnswer> parse_token_answer(std::string_view json) {
  nlohmann::json document = nlohmann::json::parse(json, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  auto text = [&](const char* key) {
    auto found = document.find(key);
    return found != document.end() && found->is_string() ? found->get<std::string>() : "";
  };
  TokenAnswer answer{text("token"), text("refresh_token")};
  if (answer.token.empty()) answer.token = text("access_token");
  auto is_clean = [](const std::string& token) {
    return std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
  };
  if (answer.token.empty() || !is_clean(answer.token) || answer.token.size() > (32 << 10))
    return std::nullopt;
  if (!is_clean(answer.refresh_token)) answer.refresh_token.clear();
  auto expires = document.find("expires_in");
  // Servers that say nothing mean a minute; others say less than it takes to use the token.
  if (expires != document.end() && expires->is_number_integer())
    answer.lifetime =
        std::chrono::seconds(std::clamp<int64_t>(expires->get<int64_t>(), 30, 86'400));
  return answer;
}

bool may_ask_realm(const Origin& origin, const Url& realm, bool with_credentials) {
  if (realm.origin() == origin) return true;
  if (realm.origin().scheme != "https") return false;
  return !with_credentials || is_same_domain(origin.host, realm.origin().host);
}

Authenticator::Authenticator(Origin origin, std::optional<Credential> credential, Send send)
    : origin_(std::move(origin)), credential_(std::move(credential)), send_(std::move(send)) {}

void Authenticator::deny(const std::string& why) const {
  base::Error error(base::Code::kDenied, why, "registry-denied");
  if (credential_)
    error.add_fact("the credentials are those of " + credential_->source);
  else
    error.add_fact("no credentials are known for " + origin_.authority());
  error.add_help("torte login " + origin_.authority() + " keeps new ones");
  throw error;
}

std::string Authenticator::basic() const {
  return "Basic " + oci::encode_base64(credential_->user + ":" + credential_->password);
}

std::string Authenticator::authorization(const std::string& scope) {
  std::lock_guard lock(mutex_);
  if (use_basic_) return basic();
  auto token = tokens_.find(scope);
  if (token == tokens_.end()) return {};
  // Renewed before a request is wasted on it.
  if (std::chrono::steady_clock::now() >= token->second.expires)
    token->second = fetch(*bearer_, scope);
  else
    ++token->second.uses;
  return token->second.header;
}

bool Authenticator::is_shared(const std::string& scope, const std::string& used) {
  std::lock_guard lock(mutex_);
  auto token = tokens_.find(scope);
  return token != tokens_.end() && (token->second.header != used || token->second.uses > 1);
}

std::string Authenticator::answer(const Exchange& refused, const std::string& scope,
                                  const std::string& used) {
  std::vector<Challenge> challenges;
  for (const std::string& header : refused.headers().all("www-authenticate"))
    for (Challenge& challenge : parse_challenges(header))
      challenges.push_back(std::move(challenge));
  std::lock_guard lock(mutex_);
  for (const Challenge& challenge : challenges)
    if (challenge.scheme == "bearer") {
      auto token = tokens_.find(scope);
      // Another thread may have renewed it meanwhile.
      if (token != tokens_.end() && token->second.header != used) {
        ++token->second.uses;
        return token->second.header;
      }
      bearer_ = challenge;
      use_basic_ = false;
      Token fresh = fetch(challenge, scope);
      return tokens_.insert_or_assign(scope, std::move(fresh)).first->second.header;
    }
  for (const Challenge& challenge : challenges)
    if (challenge.scheme == "basic") {
      if (!credential_ || credential_->user.empty() || used == basic())
        deny(origin_.authority() + (credential_ ? " refuses the user name and password"
                                                : " asks for a user name and password"));
      use_basic_ = true;
      return basic();
    }
  deny(origin_.authority() + " answers 401 and does not say how to log in");
}

std::unique_ptr<Exchange> Authenticator::ask_by_get(const Url& realm, const std::string& service,
                                                    const std::vector<std::string>& scopes) {
  Url url = realm;
  if (!service.empty()) url = url.with_query("service", service);
  for (const std::string& scope : scopes) url = url.with_query("scope", scope);
  if (credential_ && credential_->wants_identity_token)
    url = url.with_query("offline_token", "true").with_query("client_id", "torte");
  Request request{.url = url};
  if (credential_ && !credential_->user.empty()) {
    request.url = url.with_query("account", credential_->user);
    request.headers.push_back("Authorization: " + basic());
  }
  constexpr int kMostHops = 10;
  for (int hops = 0;; ++hops) {
    auto exchange = send_(request);
    // Within the origin that has been found good; nowhere else.
    auto location =
        is_redirect(exchange->status()) ? exchange->headers().find("location") : std::nullopt;
    auto next = location ? exchange->url().resolve(*location) : std::nullopt;
    if (!next || next->origin() != realm.origin() || hops == kMostHops) return exchange;
    request.url = *next;
  }
}

std::unique_ptr<Exchange> Authenticator::ask_by_post(const Url& realm, const std::string& service,
                                                     const std::vector<std::string>& scopes) {
  std::string form = "client_id=torte&access_type=offline&service=" + percent_encode(service) +
                     "&scope=" + percent_encode(base::join(scopes, " "));
  if (!credential_->identity_token.empty())
    form +=
        "&grant_type=refresh_token&refresh_token=" + percent_encode(credential_->identity_token);
  else
    form += "&grant_type=password&username=" + percent_encode(credential_->user) +
            "&password=" + percent_encode(credential_->password);
  base::MemorySource body(base::as_bytes(form));
  Request request{.method = "POST", .url = realm};
  request.headers.emplace_back("Content-Type: application/x-www-form-urlencoded");
  request.body = &body;
  request.body_bytes = form.size();
  return send_(request);
}

Authenticator::Token Authenticator::fetch(const Challenge& challenge, const std::string& scope) {
  auto realm = Url::try_parse(challenge.get("realm"));
  if (!realm) deny(origin_.authority() + " names no address that gives tokens");
  if (!may_ask_realm(origin_, *realm, credential_.has_value()))
    throw base::Error(base::Code::kDenied,
                      base::str(origin_.authority(), " sends us for a token to ",
                                realm->origin().str(), ", which is another party; no ",
                                credential_ ? "credentials are" : "request is", " sent there"),
                      "registry-foreign-realm");
  std::string service = challenge.get("service");
  std::vector<std::string> scopes = scopes_of(challenge, scope);
  bool by_post = credential_ && !credential_->identity_token.empty();
  auto exchange =
      by_post ? ask_by_post(*realm, service, scopes) : ask_by_get(*realm, service, scopes);
  if (!by_post && credential_ && (exchange->status() == 404 || exchange->status() == 405))
    exchange = ask_by_post(*realm, service, scopes);
  if (exchange->status() == 401 || exchange->status() == 403)
    deny(base::str(realm->origin().authority(), " refuses a token (", exchange->status(), ")"));
  if (exchange->status() != 200)
    throw base::Error(
        base::Code::kUnavailable,
        base::str("asking ", realm->origin().str(), " for a token: status ", exchange->status()),
        "registry-token");
  auto answer = parse_token_answer(exchange->read_text(kMostTokenBytes));
  if (!answer)
    throw base::Error(base::Code::kInvalid,
                      realm->origin().str() + " answers without a usable token", "registry-token");
  if (!answer->refresh_token.empty()) identity_token_ = answer->refresh_token;
  return {"Bearer " + answer->token, std::chrono::steady_clock::now() + answer->lifetime -
                                         std::min(kMargin, answer->lifetime / 4)};
}

std::string Authenticator::identity_token() {
  std::lock_guard lock(mutex_);
  return identity_token_;
}

}  // namespace registry
