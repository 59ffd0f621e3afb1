#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/oci/reference.h"

namespace registry {

/// Where an image may be fetched from: a registry's host and the repository in it.
struct Endpoint {
  std::string host;
  std::string path;
  bool insecure = false;  ///< plain http and unknown certificates are accepted
  bool mirror = false;
};

/// What registries.conf (version 2) says of registries: mirrors, other locations, blocked and
/// insecure ones. A value. [containers-registries.conf(5), spec/ux.md 10]
class Settings {
 public:
  Settings() = default;
  /// Later files add to and replace, prefix by prefix, what earlier ones say. Absent ones are
  /// fine. Throws Invalid naming file and place.
  static Settings load(const std::vector<std::filesystem::path>& files);
  /// From text, for tests; `name` appears in errors.
  void add(std::string_view toml, const std::string& name);

  /// Where to ask for an image, mirrors first, the registry itself last. Throws Denied for a
  /// blocked one.
  std::vector<Endpoint> route(const oci::Reference& reference) const;
  /// The last of these alone: where a push goes.
  Endpoint home(const oci::Reference& reference) const;
  /// Whether some entry calls this host insecure.
  bool is_insecure(std::string_view host) const;

 private:
  enum class Pulls { kAll, kDigestOnly, kTagOnly };
  struct Mirror {
    std::string location;
    bool insecure = false;
    Pulls pulls = Pulls::kAll;
  };
  struct Entry {
    std::string prefix;    ///< "host[/path]" or "*.domain"
    std::string location;  ///< empty: the prefix itself
    bool insecure = false;
    bool blocked = false;
    std::vector<Mirror> mirrors;
    std::string source;  ///< the file, for messages
  };
  const Entry* find(const std::string& name) const;
  static std::vector<Mirror> read_mirrors(const void* registry_table, bool digest_only);

  std::vector<Entry> entries_;
};

/// The files in the order they count: the system's (or instead of it the user's), then what lies in
/// registries.conf.d. CONTAINERS_REGISTRIES_CONF replaces them all.
std::vector<std::filesystem::path> find_settings_files(const char* (*lookup)(const char*));

}  // namespace registry
