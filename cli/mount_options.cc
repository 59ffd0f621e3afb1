#include "cli/mount_options.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "runner/container/containers.h"

namespace cli {

namespace {

using container::Config;
using container::MountConfig;

[[noreturn]] void fail(const char* flag, const std::string& value, const std::string& why) {
  throw UsageError(base::str("--", flag, " ", base::printable(value), ": ", why));
}

}  // namespace

std::string host_path(const std::string& source, const char* flag) {
  std::filesystem::path path = source;
  if (path.is_relative()) path = std::filesystem::current_path() / path;
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) return path.lexically_normal();
  if (errno == ENOENT)
    throw base::Error(
        base::Code::kNotFound,
        base::str("--", flag, ": ", base::printable(path.string()), " does not exist"),
        "mount-source-missing");
  base::throw_errno("look at " + base::printable(path.string()));
}

std::string container_path(const std::string& target, const char* flag) {
  if (!target.starts_with('/')) fail(flag, target, "the path in the container must be absolute");
  return sys::RootedPath(target).str();
}

MountConfig tmpfs_mount(const std::string& target, const char* flag, uint32_t mode) {
  MountConfig mount;
  mount.type = MountConfig::Type::kTmpfs;
  mount.target = container_path(target, flag);
  mount.mode = mode;
  return mount;
}

namespace {

bool is_path(const std::string& source) {
  return source.find('/') != std::string::npos || source == "." || source == "..";
}

/// Of the mounts in a directory of the host those below show alike: shared is rshared, and so on.
std::optional<sys::Propagation> find_propagation(std::string word) {
  if (word.starts_with('r')) word.erase(0, 1);
  if (word == "private") return sys::Propagation::kPrivate;
  if (word == "slave") return sys::Propagation::kSlave;
  if (word == "shared") return sys::Propagation::kShared;
  return std::nullopt;
}

/// It is the directory itself that shows what is mounted in it, not something that lies over it.
void check_propagation(const char* flag, const std::string& text, const MountConfig& mount) {
  if (mount.propagation == sys::Propagation::kPrivate) return;
  if (mount.type != MountConfig::Type::kBind || mount.overlay)
    fail(flag, text, "only directories of the host themselves can show mounts (shared, slave)");
}

void apply_volume_option(const std::string& option, const std::string& text, MountConfig& mount) {
  if (option == "ro")
    mount.read_only = true;
  else if (option == "O")
    mount.overlay = true;
  else if (option == "noexec")
    mount.executable = false;
  else if (option == "nocopy")
    mount.copy = false;
  else if (option == "bind")
    mount.recursive = false;
  else if (option == "idmap")
    mount.map_ids = true;
  else if (option == "U")
    mount.chown = true;
  else if (const auto propagation = find_propagation(option))
    mount.propagation = *propagation;
  // Labels of a security module we do not set, and what is always so.
  else if (option != "rw" && option != "z" && option != "Z" && option != "exec" &&
           option != "copy" && option != "rbind" && option != "nodev" && option != "nosuid")
    fail("volume", text,
         "unknown option " + base::printable(option) +
             " (known: ro, rw, O, exec, noexec, nocopy, bind, rbind, idmap, U, [r]private, "
             "[r]slave, [r]shared)");
}

// [HOST|NAME:]CONTAINER[:OPTIONS]
MountConfig parse_volume(const std::string& text) {
  std::vector<std::string> parts = base::split(text, ':');
  if (parts.size() > 3 || parts[0].empty())
    fail("volume", text, "expected [HOST:]CONTAINER[:OPTIONS]");
  MountConfig mount;
  if (parts.size() == 1) {
    mount.type = MountConfig::Type::kVolume;
    mount.anonymous = true;
    mount.target = container_path(parts[0], "volume");
    return mount;
  }
  mount.type = is_path(parts[0]) ? MountConfig::Type::kBind : MountConfig::Type::kVolume;
  mount.source = is_path(parts[0]) ? host_path(parts[0], "volume") : parts[0];
  if (mount.type == MountConfig::Type::kVolume && !container::is_valid_name(parts[0]))
    fail("volume", text,
         "a directory is given as ./NAME or /PATH, a volume by letters, digits, _ . -");
  mount.target = container_path(parts[1], "volume");
  if (parts.size() == 3)
    for (const std::string& option : base::split(parts[2], ','))
      apply_volume_option(option, text, mount);
  if (mount.chown && mount.overlay)
    fail("volume", text, "U changes the owners of what O leaves as it is");
  check_propagation("volume", text, mount);
  return mount;
}

mode_t parse_octal(const char* flag, const std::string& text) {
  if (text.empty() || text.size() > 5 || text.find_first_not_of("01234567") != std::string::npos)
    fail(flag, text, "expected an octal mode");
  return static_cast<mode_t>(std::stoul(text, nullptr, 8));
}

uint64_t parse_bytes(const char* flag, const std::string& text) {
  std::optional<uint64_t> bytes = base::parse_size(text);
  if (!bytes) fail(flag, text, "expected a size such as 64m");
  return *bytes;
}

// /PATH[:size=64m,mode=1777,ro,rw]
MountConfig parse_tmpfs(const std::string& text) {
  size_t colon = text.find(':');
  MountConfig mount = tmpfs_mount(text.substr(0, colon), "tmpfs");
  if (colon == std::string::npos) return mount;
  for (const std::string& option : base::split(text.substr(colon + 1), ',')) {
    if (option.starts_with("size="))
      mount.size_bytes = parse_bytes("tmpfs", option.substr(5));
    else if (option.starts_with("mode="))
      mount.mode = parse_octal("tmpfs", option.substr(5));
    else if (option == "ro")
      mount.read_only = true;
    else if (option == "noexec")
      mount.executable = false;
    else if (option != "rw" && option != "exec" && option != "nosuid" && option != "nodev")
      fail("tmpfs", text, "unknown option " + option);
  }
  return mount;
}

bool is_true(const std::string& value) { return value != "false" && value != "0"; }

/// The keys of --mount, each under its usual name.
std::map<std::string, std::string> mount_keys(const std::string& text) {
  static const std::map<std::string, std::string> kOther = {
      {"src", "source"},           {"dst", "target"}, {"destination", "target"},
      {"ro", "readonly"},          {"U", "chown"},    {"volume-subpath", "subpath"},
      {"image-subpath", "subpath"}};
  static const std::vector<std::string> kKnown = {
      "type",    "source",        "target", "readonly", "tmpfs-size",       "tmpfs-mode",
      "subpath", "volume-nocopy", "idmap",  "chown",    "bind-propagation", "uid",
      "gid",     "mode",          "max"};
  std::map<std::string, std::string> keys;
  for (const std::string& field : base::split(text, ',')) {
    const size_t equals = field.find('=');
    std::string key = field.substr(0, equals);
    if (const auto other = kOther.find(key); other != kOther.end()) key = other->second;
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end())
      fail("mount", text, "unknown key " + base::printable(key));
    keys[key] = equals == std::string::npos ? "true" : field.substr(equals + 1);
  }
  return keys;
}

/// type=devpts: terminals of its own.
void apply_terminal_keys(const std::string& text, const std::map<std::string, std::string>& keys,
                         MountConfig& mount) {
  mount.type = MountConfig::Type::kDevpts;
  mount.mode = 0600;
  for (const auto& [key, value] : keys) {
    const auto number = base::parse_decimal(value);
    if (key == "mode")
      mount.mode = parse_octal("mount", value);
    else if ((key == "uid" || key == "gid" || key == "max") && (!number || *number >= UINT32_MAX))
      fail("mount", text, key + " is a number");
    else if (key == "uid")
      mount.uid = static_cast<uint32_t>(*number);
    else if (key == "gid")
      mount.gid = static_cast<uint32_t>(*number);
    else if (key == "max")
      mount.most = *number;
    else if (key != "type" && key != "target")
      fail("mount", text, key + " is not for devpts");
  }
}

// type=bind|volume|tmpfs|image|overlay|devpts,source=S,target=T,...
MountConfig parse_mount(const std::string& text) {
  std::map<std::string, std::string> keys = mount_keys(text);
  auto is_on = [&](const char* key) { return keys.contains(key) && is_true(keys[key]); };
  if (keys["target"].empty()) fail("mount", text, "target= is missing");
  const std::string type = keys.contains("type") ? keys["type"] : "volume";
  MountConfig mount = tmpfs_mount(keys["target"], "mount");
  if (type == "devpts") {
    apply_terminal_keys(text, keys, mount);
    return mount;
  }
  for (const char* key : {"uid", "gid", "mode", "max"})
    if (keys.contains(key)) fail("mount", text, std::string(key) + " is for devpts");
  mount.read_only = is_on("readonly");
  mount.subpath = keys["subpath"];
  mount.map_ids = is_on("idmap");
  mount.chown = is_on("chown");
  mount.overlay = type == "overlay";
  if (mount.chown && type != "bind" && type != "volume")
    fail("mount", text, "chown is for bind and volume");
  if (type == "bind" || type == "image" || type == "overlay") {
    if (keys["source"].empty()) fail("mount", text, "source= is missing");
    mount.type = type == "image" ? MountConfig::Type::kImage : MountConfig::Type::kBind;
    mount.source = type == "image" ? keys["source"] : host_path(keys["source"], "mount");
  } else if (type == "volume") {
    mount.type = MountConfig::Type::kVolume;
    mount.source = keys["source"];
    mount.anonymous = mount.source.empty();
    mount.copy = !is_on("volume-nocopy");
  } else if (type != "tmpfs") {
    fail("mount", text, "type must be bind, volume, tmpfs, image, overlay or devpts");
  }
  if (keys.contains("bind-propagation")) {
    const auto propagation = find_propagation(keys["bind-propagation"]);
    if (!propagation) fail("mount", text, "bind-propagation is [r]private, [r]slave or [r]shared");
    mount.propagation = *propagation;
    check_propagation("mount", text, mount);
  }
  if (keys.contains("tmpfs-size")) mount.size_bytes = parse_bytes("mount", keys["tmpfs-size"]);
  if (keys.contains("tmpfs-mode")) mount.mode = parse_octal("mount", keys["tmpfs-mode"]);
  return mount;
}

// id=ID,src=FILE[,target=PATH]
MountConfig parse_secret(const std::string& text) {
  MountConfig mount;
  std::string id;
  for (const std::string& field : base::split(text, ',')) {
    const size_t equals = field.find('=');
    const std::string key = field.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : field.substr(equals + 1);
    if (value.empty()) fail("secret", text, "expected id=ID,src=FILE[,target=PATH]");
    if (key == "id")
      id = value;
    else if (key == "src" || key == "source")
      mount.source = host_path(value, "secret");
    else if (key == "target" || key == "dst")
      mount.target = value;
    else
      fail("secret", text, "unknown key " + base::printable(key) + " (known: id, src, target)");
  }
  if (mount.source.empty()) fail("secret", text, "src= is missing: a file of the host");
  if (id.empty()) id = std::filesystem::path(mount.source).filename();
  if (id.find('/') != std::string::npos) fail("secret", text, "an id has no /");
  if (mount.target.empty()) mount.target = id;
  if (!mount.target.starts_with('/')) mount.target = "/run/secrets/" + mount.target;
  mount.target = container_path(mount.target, "secret");
  mount.read_only = true;
  mount.executable = false;
  return mount;
}

}  // namespace

std::vector<Flag> mount_flags() {
  return {
      {.name = "volume",
       .letter = 'v',
       .value = "[HOST|NAME:]CONTAINER[:OPTIONS]",
       .help = "directory, file or volume in the container; options ro, O (writes stay in the "
               "container), U (given to its user), rslave (shows what the host mounts there), "
               "rshared (and the other way round), ...",
       .group = "files",
       .repeatable = true,
       .common = true},
      {.name = "mount",
       .value = "SPEC",
       .help = "type=bind|volume|tmpfs|image|overlay|devpts,source=S,target=T[,readonly][,subpath="
               "P][,chown][,bind-propagation=HOW]",
       .group = "files",
       .repeatable = true},
      {.name = "tmpfs",
       .value = "PATH[:OPTIONS]",
       .help = "empty directory in memory",
       .group = "files",
       .repeatable = true},
      {.name = "secret",
       .value = "id=ID,src=FILE[,target=PATH]",
       .help = "file of the host at /run/secrets/ID, read-only and in no layer",
       .group = "files",
       .repeatable = true},
      {.name = "read-only", .help = "the root cannot be written", .group = "files"},
      {.name = "read-only-tmpfs",
       .help = "with --read-only: /run, /tmp and /var/tmp are empty and in memory",
       .group = "files"},
  };
}

void apply_mount_flags(const Arguments& arguments, Config& config) {
  for (const std::string& text : arguments.all("volume"))
    config.mounts.push_back(parse_volume(text));
  for (const std::string& text : arguments.all("mount")) config.mounts.push_back(parse_mount(text));
  for (const std::string& text : arguments.all("tmpfs")) config.mounts.push_back(parse_tmpfs(text));
  for (const std::string& text : arguments.all("secret"))
    config.mounts.push_back(parse_secret(text));
  config.read_only = arguments.is_on("read-only");
  if (!arguments.is_on("read-only-tmpfs")) return;
  if (!config.read_only) fail("read-only-tmpfs", "true", "it needs --read-only");
  // The user's own mounts count more.
  for (const auto& [path, mode] :
       {std::pair("/run", 0755), std::pair("/tmp", 01777), std::pair("/var/tmp", 01777)})
    config.mounts.insert(config.mounts.begin(), tmpfs_mount(path, "read-only-tmpfs", mode));
}

}  // namespace cli
