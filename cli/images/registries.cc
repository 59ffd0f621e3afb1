#include "cli/images/registries.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/context.h"

namespace cli {

namespace {

std::optional<std::filesystem::path> chosen_file(const Arguments& arguments) {
  auto file = arguments.find("authfile");
  if (!file) return std::nullopt;
  return std::filesystem::absolute(*file);
}

/// *.crt are authorities; a pair NAME.cert, NAME.key is ours. [docker's and containers' certs.d]
void read_cert_dir(const std::filesystem::path& directory, registry::Tls& tls) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(directory, none)) {
    const std::filesystem::path& file = entry.path();
    if (file.extension() == ".crt") tls.authorities.push_back(file);
    if (file.extension() == ".cert") tls.certificate = file;
    if (file.extension() == ".key") tls.key = file;
  }
  if (!tls.certificate.empty() && tls.key.empty())
    throw base::Error(base::Code::kInvalid, tls.certificate.string() + " has no .key beside it",
                      "bad-cert-dir");
}

}  // namespace

std::vector<Flag> with_registry_flags(std::vector<Flag> flags) {
  flags.push_back({.name = "tls-verify",
                   .help = "require https and a good certificate (default: on, but plain http does "
                           "on this machine)",
                   .group = "registry",
                   .negatable = true});
  flags.push_back({.name = "creds",
                   .value = "USER[:PASSWORD]",
                   .help = "user name and password for this command alone",
                   .group = "registry"});
  flags.push_back({.name = "authfile",
                   .value = "FILE",
                   .help = "where credentials are kept",
                   .group = "registry"});
  flags.push_back({.name = "cert-dir",
                   .value = "DIR",
                   .help = "*.crt to trust, and NAME.cert with NAME.key to show",
                   .group = "registry"});
  flags.push_back({.name = "retry",
                   .value = "N",
                   .help = "try again so often (default: 5, less where nobody answers)",
                   .group = "registry"});
  flags.push_back(
      {.name = "retry-delay",
       .value = "TIME",
       .help = "wait so long before each try (default: 0.5 s to 16 s, longer each time)",
       .group = "registry"});
  flags.push_back(signature_policy_flag());
  return flags;
}

Flag signature_policy_flag() {
  return {.name = "signature-policy",
          .value = "FILE",
          .help = "which images may be taken, in place of policy.json",
          .group = "registry"};
}

registry::SignaturePolicy read_policy(const Context& context, const Arguments* arguments) {
  std::filesystem::path file = registry::find_signature_policy(context.getenv);
  if (arguments != nullptr) file = arguments->get("signature-policy", file.string());
  return file.empty() ? registry::SignaturePolicy() : registry::SignaturePolicy::load(file);
}

registry::Retries parse_retries(const Arguments& arguments) {
  registry::Retries retries;
  if (auto most = arguments.number("retry")) {
    if (*most > 1000) throw UsageError("--retry is at most 1000");
    retries.most = static_cast<unsigned>(*most);
  }
  retries.wait = arguments.duration("retry-delay");
  return retries;
}

registry::WaitNotice notice_waits(base::EventSink* events) {
  return [events](const std::string& why, std::chrono::milliseconds wait) {
    // A second is shorter than it takes to read that it is waited for.
    if (events == nullptr || wait < std::chrono::seconds(1)) return;
    events->emit(
        base::event::Note{base::str(why, "; trying again in ", base::format_elapsed(wait))});
  };
}

Registries::Registries(const Context& context, const Arguments& arguments, std::stop_token stop,
                       base::EventSink* events)
    : credentials_(registry::find_credential_files(chosen_file(arguments), context.getenv)),
      cert_dir_(arguments.get("cert-dir")),
      retries_(parse_retries(arguments)),
      events_(events),
      link_(std::move(stop), [this] { stop_.request_stop(); }) {
  read_configuration(context);
  policy_ = read_policy(context, &arguments);
  if (arguments.has("tls-verify")) tls_verify_ = arguments.is_on("tls-verify");
  if (auto text = arguments.find("creds")) {
    size_t colon = text->find(':');
    if (colon == 0 || colon == std::string::npos) throw UsageError("--creds needs USER:PASSWORD");
    credentials_.use_only({text->substr(0, colon), text->substr(colon + 1), {}, "--creds"});
  }
}

Registries::Registries(const Context& context, std::stop_token stop, base::EventSink* events)
    : credentials_(registry::find_credential_files({}, context.getenv)),
      events_(events),
      link_(std::move(stop), [this] { stop_.request_stop(); }) {
  read_configuration(context);
  policy_ = read_policy(context);
}

void Registries::read_configuration(const Context& context) {
  settings_ = registry::Settings::load(registry::find_settings_files(context.getenv));
  std::filesystem::path home = context.environment("HOME").value_or("/");
  std::filesystem::path config =
      context.environment("XDG_CONFIG_HOME").value_or((home / ".config").string());
  cert_dirs_ = {"/etc/containers/certs.d", "/etc/docker/certs.d", config / "containers/certs.d"};
}

registry::ClientOptions Registries::options_for(const std::string& host) const {
  registry::ClientOptions options;
  bool local = registry::is_loopback_host(
      host.substr(0, host.starts_with('[') ? host.find(']') + 1 : host.find(':')));
  bool insecure = settings_.is_insecure(host);
  options.tls.verify = tls_verify_.value_or(!insecure);
  options.allow_http = tls_verify_ ? !*tls_verify_ : local || insecure;
  for (const std::filesystem::path& directory : cert_dirs_)
    read_cert_dir(directory / host, options.tls);
  if (!cert_dir_.empty()) read_cert_dir(cert_dir_, options.tls);
  options.stop = stop_.get_token();
  options.retries = retries_;
  options.waiting = notice_waits(events_);
  return options;
}

registry::Client& Registries::client(const std::string& host) {
  std::lock_guard lock(mutex_);
  auto& slot = clients_[host];
  if (!slot) slot = std::make_unique<registry::Client>(host, &credentials_, options_for(host));
  return *slot;
}

registry::Repository Registries::repository(const oci::Reference& reference) {
  registry::Endpoint home = settings_.home(reference);
  return {client(home.host), home.path};
}

std::vector<registry::Repository> Registries::sources(const oci::Reference& reference) {
  policy_.require(reference);
  std::vector<registry::Repository> repositories;
  std::string home = settings_.home(reference).host;
  for (const registry::Endpoint& place : settings_.route(reference)) {
    if (place.host != home) credentials_.withhold_from(place.host);
    repositories.emplace_back(client(place.host), place.path);
  }
  return repositories;
}

}  // namespace cli
