#include "store/registry/settings.h"

#include <toml++/toml.h>

#include <algorithm>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"

namespace registry {

namespace {

using std::filesystem::path;

constexpr uint64_t kMostBytes = 4 << 20;

[[noreturn]] void invalid(const std::string& name, const std::string& why) {
  throw base::Error(base::Code::kInvalid, name + ": " + why, "bad-registries-conf");
}

/// How much of a name a prefix covers; 0: it does not.
size_t covered(const std::string& prefix, const std::string& name) {
  if (prefix.starts_with("*.")) {
    std::string host = name.substr(0, name.find_first_of("/:"));
    std::string_view domain = std::string_view(prefix).substr(1);
    return host.size() > domain.size() && std::string_view(host).ends_with(domain) ? host.size()
                                                                                   : 0;
  }
  if (!name.starts_with(prefix)) return 0;
  if (name.size() == prefix.size()) return prefix.size();
  char next = name[prefix.size()];
  return next == '/' || next == ':' || next == '@' ? prefix.size() : 0;
}

/// "host[:port]/path" with the covered part replaced.
Endpoint endpoint(const std::string& location, const std::string& name, size_t covers) {
  std::string whole = (location.empty() ? name.substr(0, covers) : location) + name.substr(covers);
  size_t slash = whole.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == whole.size())
    throw base::Error(base::Code::kInvalid,
                      "registries.conf makes " + base::printable(whole, 200) + " of " + name +
                          ", which names no repository",
                      "bad-registries-conf");
  return {whole.substr(0, slash), whole.substr(slash + 1), false, false};
}

std::string text_of(const toml::table& table, std::string_view key) {
  return table[key].value_or(std::string());
}

}  // namespace

std::vector<Settings::Mirror> Settings::read_mirrors(const void* registry_table, bool digest_only) {
  const auto& table = *static_cast<const toml::table*>(registry_table);
  std::vector<Mirror> mirrors;
  const toml::array* list = table["mirror"].as_array();
  if (list == nullptr) return mirrors;
  for (const toml::node& node : *list) {
    const toml::table* entry = node.as_table();
    if (entry == nullptr || text_of(*entry, "location").empty()) continue;
    std::string pulls = text_of(*entry, "pull-from-mirror");
    mirrors.push_back({text_of(*entry, "location"), (*entry)["insecure"].value_or(false),
                       digest_only || pulls == "digest-only" ? Pulls::kDigestOnly
                       : pulls == "tag-only"                 ? Pulls::kTagOnly
                                                             : Pulls::kAll});
  }
  return mirrors;
}

void Settings::add(std::string_view toml, const std::string& name) {
  toml::table document;
  try {
    document = toml::parse(toml, name);
  } catch (const toml::parse_error& e) {
    invalid(name,
            base::str("line ", e.source().begin.line, ": ", base::printable(e.description(), 200)));
  }
  if (document.contains("registries")) invalid(name, "version 1 of this format is not understood");
  const toml::array* list = document["registry"].as_array();
  if (list == nullptr) return;
  for (const toml::node& node : *list) {
    const toml::table* table = node.as_table();
    if (table == nullptr) invalid(name, "registry is not a table");
    Entry entry{.prefix = text_of(*table, "prefix"), .location = text_of(*table, "location")};
    if (entry.prefix.empty()) entry.prefix = entry.location;
    if (entry.prefix.empty()) invalid(name, "a registry needs a prefix or a location");
    while (entry.prefix.ends_with('/')) entry.prefix.pop_back();
    if (entry.prefix.starts_with("*.") && entry.prefix.find('/') != std::string::npos)
      invalid(name, "prefix " + base::printable(entry.prefix, 200) +
                        ": a wildcard stands for hosts alone");
    entry.insecure = (*table)["insecure"].value_or(false);
    entry.blocked = (*table)["blocked"].value_or(false);
    entry.mirrors = read_mirrors(table, (*table)["mirror-by-digest-only"].value_or(false));
    entry.source = name;
    std::erase_if(entries_, [&](const Entry& other) { return other.prefix == entry.prefix; });
    entries_.push_back(std::move(entry));
  }
}

Settings Settings::load(const std::vector<path>& files) {
  Settings settings;
  for (const path& file : files)
    if (auto text = sys::find_user_file(file, kMostBytes)) settings.add(*text, file.string());
  return settings;
}

const Settings::Entry* Settings::find(const std::string& name) const {
  const Entry* best = nullptr;
  for (const Entry& entry : entries_) {
    if (covered(entry.prefix, name) == 0) continue;
    bool exact = !entry.prefix.starts_with("*.");
    bool best_exact = best != nullptr && !best->prefix.starts_with("*.");
    if (best == nullptr || exact > best_exact ||
        (exact == best_exact && entry.prefix.size() > best->prefix.size()))
      best = &entry;
  }
  return best;
}

Endpoint Settings::home(const oci::Reference& reference) const {
  return route(reference.digest() || !reference.tag().empty() ? reference
                                                              : reference.with_default_tag())
      .back();
}

std::vector<Endpoint> Settings::route(const oci::Reference& reference) const {
  std::string name = reference.name();
  const Entry* entry = find(name);
  if (entry == nullptr) return {{reference.domain(), reference.path(), false, false}};
  if (entry->blocked)
    throw base::Error(base::Code::kDenied, name + " is blocked", "registry-blocked")
        .add_fact("by the entry for " + entry->prefix + " in " + entry->source);
  size_t covers = covered(entry->prefix, name);
  std::vector<Endpoint> endpoints;
  for (const Mirror& mirror : entry->mirrors) {
    bool by_digest = reference.digest().has_value();
    if (mirror.pulls == Pulls::kDigestOnly && !by_digest) continue;
    if (mirror.pulls == Pulls::kTagOnly && by_digest) continue;
    Endpoint place = endpoint(mirror.location, name, covers);
    place.insecure = mirror.insecure;
    place.mirror = true;
    endpoints.push_back(std::move(place));
  }
  bool wildcard = entry->prefix.starts_with("*.");
  Endpoint home = endpoint(wildcard ? "" : entry->location, name, covers);
  home.insecure = entry->insecure;
  endpoints.push_back(std::move(home));
  return endpoints;
}

bool Settings::is_insecure(std::string_view host) const {
  auto is_host = [&](const std::string& location) {
    return std::string_view(location).substr(0, location.find('/')) == host;
  };
  for (const Entry& entry : entries_) {
    if (entry.insecure && (is_host(entry.location.empty() ? entry.prefix : entry.location) ||
                           covered(entry.prefix, std::string(host)) > 0))
      return true;
    for (const Mirror& mirror : entry.mirrors)
      if (mirror.insecure && is_host(mirror.location)) return true;
  }
  return false;
}

std::vector<path> find_settings_files(const char* (*lookup)(const char*)) {
  auto variable = [&](const char* name) -> std::string {
    const char* value = lookup == nullptr ? nullptr : lookup(name);
    return value == nullptr ? "" : value;
  };
  if (std::string file = variable("CONTAINERS_REGISTRIES_CONF"); !file.empty()) return {file};
  path config = variable("XDG_CONFIG_HOME");
  if (config.empty()) config = path(variable("HOME").empty() ? "/" : variable("HOME")) / ".config";
  config /= "containers";
  std::error_code none;
  bool own = std::filesystem::exists(config / "registries.conf", none);
  path base = own ? config : path("/etc/containers");
  std::vector<path> files = {base / "registries.conf"};
  for (const path& directory :
       {path("/etc/containers/registries.conf.d"), config / "registries.conf.d"}) {
    std::vector<path> parts;
    for (const auto& entry : std::filesystem::directory_iterator(directory, none))
      if (entry.path().extension() == ".conf") parts.push_back(entry.path());
    std::sort(parts.begin(), parts.end());
    files.insert(files.end(), parts.begin(), parts.end());
  }
  return files;
}

}  // namespace registry
