#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "cli/options.h"
#include "store/oci/reference.h"
#include "store/registry/client.h"
#include "store/registry/credentials.h"
#include "store/registry/repository.h"
#include "store/registry/settings.h"
#include "store/registry/signature_policy.h"

namespace cli {

struct Context;

/// Flags of every command that talks to registries: --tls-verify, --creds, --authfile, --cert-dir,
/// --retry, --retry-delay, --signature-policy.
std::vector<Flag> with_registry_flags(std::vector<Flag> flags);
/// What policy.json says, or the file of --signature-policy. Throws Invalid, NotFound.
registry::SignaturePolicy read_policy(const Context& context, const Arguments* arguments = nullptr);
Flag signature_policy_flag();
/// --retry, --retry-delay. Throws UsageError.
registry::Retries parse_retries(const Arguments& arguments);
/// Tells waits that are worth a word to `events`, which may be null.
registry::WaitNotice notice_waits(base::EventSink* events);

/// The registries one command talks to, each contacted when first asked for. May be shared by
/// threads.
class Registries {
 public:
  /// `arguments` of a command with registry flags. Waits are told to `events` (may be null).
  Registries(const Context& context, const Arguments& arguments, std::stop_token stop,
             base::EventSink* events);
  /// For commands that have no such flags.
  Registries(const Context& context, std::stop_token stop, base::EventSink* events);

  registry::Client& client(const std::string& host);
  /// Where an image is pushed to, listed and deleted.
  registry::Repository repository(const oci::Reference& reference);
  /// Where it may be pulled from, mirrors first. Throws Denied for a blocked one, and for an image
  /// that policy() refuses.
  std::vector<registry::Repository> sources(const oci::Reference& reference);
  /// Which images this machine takes: policy.json, or --signature-policy.
  const registry::SignaturePolicy& policy() const { return policy_; }
  registry::Credentials& credentials() { return credentials_; }
  /// Breaks off whatever is on its way; nothing can be asked afterwards.
  void abort() { stop_.request_stop(); }

 private:
  void read_configuration(const Context& context);
  registry::ClientOptions options_for(const std::string& host) const;

  registry::Credentials credentials_;
  registry::Settings settings_;
  registry::SignaturePolicy policy_;
  std::vector<std::filesystem::path> cert_dirs_;  ///< of certs.d, each with a folder a host
  std::optional<bool> tls_verify_;
  std::string cert_dir_;
  registry::Retries retries_;
  base::EventSink* events_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> link_;  ///< the caller's stop is ours
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<registry::Client>> clients_;
};

}  // namespace cli
