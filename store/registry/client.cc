#include "store/registry/client.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"

namespace registry {

namespace {

constexpr int kMostHops = 10;

/// "host[:port]" of a reference as an origin; docker.io answers elsewhere.
Origin origin_of(const std::string& host, std::string_view scheme) {
  std::string name = host == "docker.io" ? "registry-1.docker.io" : host;
  return Url::parse(base::str(scheme, "://", name, "/")).origin();
}

HttpOptions http_options(const ClientOptions& options) {
  HttpOptions out;
  out.tls = options.tls;
  out.stop = options.stop;
  out.user_agent = "torte/" TORTE_VERSION;
  return out;
}

/// What the registry says went wrong, in one line, or its text. [distribution-spec, "Error codes"]
std::string said(const std::string& body) {
  nlohmann::json document = nlohmann::json::parse(body, nullptr, false);
  std::string out;
  if (document.is_object() && document.contains("errors") && document["errors"].is_array()) {
    for (const auto& error : document["errors"]) {
      if (!error.is_object()) continue;
      std::string code =
          error.value("code", nlohmann::json()).is_string() ? error["code"].get<std::string>() : "";
      std::string text = error.value("message", nlohmann::json()).is_string()
                             ? error["message"].get<std::string>()
                             : "";
      out +=
          base::str(out.empty() ? "" : "; ", code, code.empty() || text.empty() ? "" : ": ", text);
    }
  } else {
    out = base::trim(body);
  }
  return base::printable(out, 300);
}

}  // namespace

Client::Client(std::string host, Credentials* credentials, ClientOptions options)
    : host_(std::move(host)),
      credentials_(credentials),
      options_(std::move(options)),
      http_(http_options(options_)) {}

Patience Client::patience() const {
  return Patience(options_.stop, options_.waiting, host_, options_.retries);
}

const Origin& Client::origin() {
  std::lock_guard lock(mutex_);
  if (!origin_) origin_ = find_origin();
  return *origin_;
}

// Whether a registry that may speak plain http does. Asked without credentials.
Origin Client::find_origin() {
  Origin secure = origin_of(host_, "https");
  if (!options_.allow_http) return secure;
  Origin plain = origin_of(host_, "http");
  bool same_port = secure.port == plain.port;
  try {
    http_.send({.url = Url(secure, "/v2/"), .silence = std::chrono::milliseconds(10'000)});
    return secure;
  } catch (const TransportError& e) {
    // Where nobody answers, nothing is known yet: the next try asks again.
    bool nobody = e.fault() == Fault::kResolve || (e.fault() == Fault::kConnect && same_port);
    if (nobody || e.fault() == Fault::kCertificate) throw;
    return plain;
  }
}

Authenticator& Client::authenticator(const std::string& repository) {
  Origin where = origin();
  std::lock_guard lock(mutex_);
  auto& slot = authenticators_[repository];
  if (!slot) {
    std::optional<Credential> credential;
    if (credentials_ != nullptr) credential = credentials_->find(host_, repository);
    slot = std::make_unique<Authenticator>(where, std::move(credential), [this](Request request) {
      Patience patience = this->patience();
      for (;;) {
        try {
          request.silence = patience.silence();
          auto exchange = http_.send(request);
          // A form is not sent twice: its source is spent.
          if (request.body != nullptr || !patience.after(exchange->status(), exchange->headers()))
            return exchange;
        } catch (const TransportError& e) {
          if (request.body == nullptr && patience.after(e)) continue;
          // Tried often enough: whoever needs the token must not begin anew.
          throw base::Error(e.code(), "asking for a token: " + e.message(), e.id());
        }
      }
    });
  }
  return *slot;
}

std::unique_ptr<Exchange> Client::send_authorized(const Ask& ask, Url url,
                                                  std::chrono::milliseconds silence) {
  Authenticator& authenticator = this->authenticator(ask.repository);
  std::string scope;
  if (!ask.repository.empty()) scope = base::str("repository:", ask.repository, ":", ask.actions);
  if (!ask.more_scope.empty()) scope += " " + ask.more_scope;
  std::string authorization = authenticator.authorization(scope);
  // A token is renewed once for each request; one that others may have used up does not count,
  // within reason.
  for (int tries = 0;; ++tries) {
    Request request{.method = ask.method, .url = url, .headers = ask.headers, .silence = silence};
    if (!authorization.empty()) request.headers.push_back("Authorization: " + authorization);
    std::unique_ptr<base::Source> body;
    if (ask.body) {
      body = ask.body();
      request.body = body.get();
      request.body_bytes = ask.body_bytes;
    }
    auto exchange = http_.send(request);
    if (exchange->status() != 401 || tries > 8) return exchange;
    if (tries > 0 && !authenticator.is_shared(scope, authorization)) return exchange;
    authorization = authenticator.answer(*exchange, scope, authorization);
  }
}

std::unique_ptr<Exchange> Client::follow(const Ask& ask, std::unique_ptr<Exchange> exchange,
                                         std::chrono::milliseconds silence) {
  bool local = is_loopback_host(origin().host);
  for (int hops = 0; is_redirect(exchange->status()); ++hops) {
    auto refuse = [&](const std::string& why) {
      throw base::Error(base::Code::kInvalid, base::str(host_, " redirects ", ask.path, " ", why),
                        "registry-redirect");
    };
    auto location = exchange->headers().find("location");
    if (!location) refuse("and does not say where");
    auto next = exchange->url().resolve(*location);
    if (!next) refuse("to " + base::printable(*location, 200) + ", which is not followed");
    if (hops >= kMostHops) refuse(base::str("more than ", kMostHops, " times"));
    if (exchange->url().origin().scheme == "https" && next->origin().scheme == "http")
      refuse("from https to http, which is not followed");
    exchange.reset();
    if (next->origin() == origin()) {
      exchange = send_authorized(ask, *next, silence);
      continue;
    }
    // Headers that say what is wanted go along, those that say who we are do not.
    Request request{.method = ask.method, .url = *next, .headers = ask.headers, .silence = silence};
    request.reach = local ? Reach::kNotLinks : Reach::kPublic;
    exchange = http_.send(request);
    if (exchange->status() == 401)
      throw base::Error(base::Code::kDenied,
                        base::str(next->origin().str(), ", to which ", host_,
                                  " redirects, asks for credentials; they are not for it"),
                        "registry-redirect");
  }
  return exchange;
}

std::unique_ptr<Exchange> Client::send(const Ask& ask, std::chrono::milliseconds silence) {
  silence = std::max(silence, ask.least_silence);
  auto exchange = send_authorized(ask, ask.url ? *ask.url : Url(origin(), ask.path), silence);
  if (ask.method == "GET" || ask.method == "HEAD")
    exchange = follow(ask, std::move(exchange), silence);
  return exchange;
}

std::unique_ptr<Exchange> Client::ask(const Ask& ask, Patience& patience) {
  for (;;) {
    try {
      auto exchange = send(ask, patience.silence());
      if (!patience.after(exchange->status(), exchange->headers())) return exchange;
    } catch (const TransportError& e) {
      if (!patience.after(e)) throw;
    }
  }
}

std::unique_ptr<Exchange> Client::ask(const Ask& ask) {
  Patience patience = this->patience();
  return this->ask(ask, patience);
}

std::unique_ptr<Exchange> Client::ask_once(const Ask& ask, const Patience& patience) {
  return send(ask, patience.silence());
}

void Client::fail(Exchange& exchange, const std::string& what) {
  int status = exchange.status();
  std::string words = said(exchange.read_some(8192));
  base::Code code = status == 404                    ? base::Code::kNotFound
                    : status == 401 || status == 403 ? base::Code::kDenied
                    : status >= 500 || status == 429 ? base::Code::kUnavailable
                                                     : base::Code::kInvalid;
  const char* id = status == 404                 ? "registry-not-found"
                   : status == 429               ? "registry-busy"
                   : code == base::Code::kDenied ? "registry-denied"
                                                 : "registry-refused";
  base::Error error(code, base::str(what, ": ", host_, " answers ", status), id);
  if (!words.empty()) error.add_fact("it says: " + words);
  if (code == base::Code::kDenied || status == 404) {
    auto found = authenticators_.begin();  // any: they differ only where a file says so by path
    bool known = found != authenticators_.end() && found->second->credential();
    error.add_fact(known ? "asked with the credentials of " + found->second->credential()->source
                         : "asked without credentials");
    if (code == base::Code::kDenied)
      error.add_help("torte login " + host_);
    else if (!known)
      error.add_help("some registries answer 404 for what they do not let you see");
  }
  throw error;
}

}  // namespace registry
