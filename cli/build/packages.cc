#include "cli/build/packages.h"

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/sys/file.h"
#include "base/text.h"
#include "cli/build/rpm_packages.h"

namespace cli {

namespace {

constexpr uint64_t kMostBytes = 256 << 20;
constexpr const char* kRpm[] = {"/var/lib/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages",
                                "/var/lib/rpm/Packages.db", "/usr/lib/sysimage/rpm/rpmdb.sqlite",
                                "/usr/lib/sysimage/rpm/Packages.db"};

using Fields = std::map<std::string, std::string, std::less<>>;

/// Calls `take` for each run of "key SEPARATOR value" lines between empty ones. Lines that go on
/// with a blank are left out.
void each_stanza(std::string_view text, const std::function<void(const Fields&)>& take) {
  Fields fields;
  auto end = [&] {
    if (!fields.empty()) take(fields);
    fields.clear();
  };
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (base::trim(line).empty()) {
      end();
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || line[0] == ' ' || line[0] == '\t') continue;
    fields.emplace(line.substr(0, colon), base::trim(line.substr(colon + 1)));
  }
  end();
}

std::string field(const Fields& fields, std::string_view name) {
  auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

/// NAME=VALUE lines, quotes taken off.
std::string os_release_value(std::string_view text, std::string_view name) {
  for (const std::string& line : base::split(std::string(text), '\n')) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != '=') continue;
    std::string value = line.substr(name.size() + 1);
    if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
      value = value.substr(1, value.size() - 2);
    return value;
  }
  return "";
}

void read_dpkg_directory(const sys::Root& root, std::vector<Package>& packages) {
  const sys::RootedPath path("/var/lib/dpkg/status.d");
  auto st = root.stat(path);
  if (!st || !S_ISDIR(st->st_mode)) return;
  const sys::Root directory = root.subdirectory(root.resolve(path));
  for (const std::string& name : sys::list_names(directory.fd())) {
    const auto file = directory.stat(sys::RootedPath(name));
    if (!file || !S_ISREG(file->st_mode) || name.ends_with(".md5sums")) continue;
    if (auto text = directory.read_file(sys::RootedPath(name), kMostBytes))
      read_dpkg(*text, false, packages);
  }
}

/// Regular files alone count: whatever else lies there is no database.
std::optional<std::string> find_text(const sys::Root& root, const char* path) {
  const auto st = root.stat(sys::RootedPath(path));
  if (!st || !S_ISREG(st->st_mode)) return std::nullopt;
  return root.read_file(sys::RootedPath(path), kMostBytes);
}

}  // namespace

void read_dpkg(std::string_view text, bool is_status, std::vector<Package>& packages) {
  each_stanza(text, [&](const Fields& fields) {
    const std::string name = field(fields, "Package");
    if (name.empty() || (is_status && !field(fields, "Status").ends_with(" installed"))) return;
    std::string source = field(fields, "Source");
    source = source.substr(0, source.find(' '));  // "name (version)"
    packages.push_back({"deb", name, field(fields, "Version"), field(fields, "Architecture"),
                        source, field(fields, "Maintainer"), ""});
  });
}

void read_apk(std::string_view text, std::vector<Package>& packages) {
  each_stanza(text, [&](const Fields& fields) {
    const std::string name = field(fields, "P");
    if (name.empty()) return;
    packages.push_back({"apk", name, field(fields, "V"), field(fields, "A"), field(fields, "o"),
                        field(fields, "m"), field(fields, "L")});
  });
}

Inventory read_inventory(const sys::Root& root) {
  Inventory out;
  if (auto text = find_text(root, "/var/lib/dpkg/status")) read_dpkg(*text, true, out.packages);
  read_dpkg_directory(root, out.packages);
  for (const char* path : {"/lib/apk/db/installed", "/usr/lib/apk/db/installed"})
    if (auto text = find_text(root, path)) {
      read_apk(*text, out.packages);
      break;  // often one is the other
    }
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"})
    if (auto text = find_text(root, path); text && out.distribution.empty()) {
      out.distribution = os_release_value(*text, "ID");
      out.release = os_release_value(*text, "VERSION_ID");
    }
  for (const char* path : kRpm)
    if (root.stat(sys::RootedPath(path)) && !read_rpm(root, sys::RootedPath(path), out.packages) &&
        out.unread.empty())
      out.unread = path;
  std::sort(out.packages.begin(), out.packages.end());
  out.packages.erase(std::unique(out.packages.begin(), out.packages.end()), out.packages.end());
  return out;
}

}  // namespace cli
