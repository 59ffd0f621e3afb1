#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/synchronized.h"

/// User names and passwords where people already keep them: docker's config.json, containers'
/// auth.json, and the helper programs these name. [spec/ux.md 10]
namespace registry {

struct Credential {
  std::string user;
  std::string password;
  std::string identity_token;         ///< instead of a password: exchanged for tokens by OAuth2
  std::string source;                 ///< where it was found, for messages
  bool wants_identity_token = false;  ///< the token server is asked for one, to be kept: `login`
};

/// The files credentials are read from, the first one first, and the one `login` writes to.
struct CredentialFiles {
  std::vector<std::filesystem::path> readable;
  std::filesystem::path writable;
};

/// `chosen` is --authfile; then REGISTRY_AUTH_FILE; then the usual places, of which the first that
/// exists is written to. `lookup` reads environment variables.
CredentialFiles find_credential_files(const std::optional<std::filesystem::path>& chosen,
                                      const char* (*lookup)(const char*));

/// May be shared by threads. Reading throws Invalid for a file that is not what it should be.
class Credentials {
 public:
  explicit Credentials(CredentialFiles files) : files_(std::move(files)) {}

  /// These and no others, for every registry asked (--creds), but for those withheld from.
  void use_only(Credential credential) { only_ = std::move(credential); }
  /// A mirror is another party: it gets what is kept for it, and never what was given for this
  /// command.
  void withhold_from(const std::string& host) { withheld_.lock()->insert(host); }

  /// For "host[:port]/repository": the longest match in the first file that has one; a helper where
  /// the file says so.
  std::optional<Credential> find(const std::string& host, const std::string& repository);

  /// Writes, or gives to the helper the file names for this registry. Returns where it went.
  std::string store(const std::string& host, const Credential& credential);
  /// False when there was nothing to forget. Returns from every file and helper.
  bool erase(const std::string& host);
  /// Registries that credentials are kept for, helpers not asked.
  std::vector<std::string> list();

 private:
  CredentialFiles files_;
  std::optional<Credential> only_;
  base::Synchronized<std::set<std::string>> withheld_;  ///< hosts
};

/// The name under which a registry is kept: docker.io's is an address of old.
std::string credential_key(std::string_view host);

}  // namespace registry
