#include "cli/run_options.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "runner/container/cdi.h"
#include "runner/launch/seccomp_profile.h"

namespace cli {

namespace {

[[noreturn]] void fail(const char* flag, const std::string& value, const std::string& why) {
  throw UsageError(base::str("--", flag, " ", base::printable(value), ": ", why));
}

using container::Config;
using container::MountConfig;

}  // namespace

std::string host_path(const std::string& source, const char* flag) {
  std::filesystem::path path = source;
  if (path.is_relative()) path = std::filesystem::current_path() / path;
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) return path.lexically_normal();
  if (errno == ENOENT)
    throw base::Error(base::Code::kNotFound,
                      base::str("--", flag, ": ", base::printable(path.string()), " does not exist"),
                      "mount-source-missing");
  base::throw_errno("look at " + base::printable(path.string()));
}

std::string container_path(const std::string& target, const char* flag) {
  if (!target.starts_with('/')) fail(flag, target, "the path in the container must be absolute");
  return sys::RootedPath(target).str();
}

namespace {

bool is_path(const std::string& source) {
  return source.find('/') != std::string::npos || source == "." || source == "..";
}

void apply_volume_option(const std::string& option, const std::string& text, MountConfig& mount) {
  if (option == "ro") mount.read_only = true;
  else if (option == "O") mount.overlay = true;
  else if (option == "noexec") mount.executable = false;
  else if (option == "nocopy") mount.copy = false;
  else if (option == "bind") mount.recursive = false;
  else if (option == "idmap") mount.map_ids = true;
  else if (option == "U") mount.chown = true;
  // Labels of a security module we do not set, and what is always so.
  else if (option != "rw" && option != "z" && option != "Z" && option != "exec" && option != "copy" &&
           option != "rbind" && option != "private" && option != "rprivate" && option != "nodev" &&
           option != "nosuid")
    fail("volume", text, "unknown option " + option + " (known: ro, rw, O, exec, noexec, nocopy, bind, rbind, idmap, U)");
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
    fail("volume", text, "a directory is given as ./NAME or /PATH, a volume by letters, digits, _ . -");
  mount.target = container_path(parts[1], "volume");
  if (parts.size() == 3)
    for (const std::string& option : base::split(parts[2], ','))
      apply_volume_option(option, text, mount);
  if (mount.chown && mount.overlay) fail("volume", text, "U changes the owners of what O leaves as it is");
  return mount;
}

mode_t parse_octal(const char* flag, const std::string& text) {
  if (text.empty() || text.size() > 5 || text.find_first_not_of("01234567") != std::string::npos)
    fail(flag, text, "expected an octal mode");
  return static_cast<mode_t>(std::stoul(text, nullptr, 8));
}

MountConfig tmpfs(const std::string& target, const char* flag) {
  MountConfig mount;
  mount.type = MountConfig::Type::kTmpfs;
  mount.target = container_path(target, flag);
  mount.mode = 01777;
  return mount;
}

uint64_t parse_bytes(const char* flag, const std::string& text) {
  std::optional<uint64_t> bytes = base::parse_size(text);
  if (!bytes) fail(flag, text, "expected a size such as 64m");
  return *bytes;
}

// /PATH[:size=64m,mode=1777,ro,rw]
MountConfig parse_tmpfs(const std::string& text) {
  size_t colon = text.find(':');
  MountConfig mount = tmpfs(text.substr(0, colon), "tmpfs");
  if (colon == std::string::npos) return mount;
  for (const std::string& option : base::split(text.substr(colon + 1), ',')) {
    if (option.starts_with("size=")) mount.size_bytes = parse_bytes("tmpfs", option.substr(5));
    else if (option.starts_with("mode=")) mount.mode = parse_octal("tmpfs", option.substr(5));
    else if (option == "ro") mount.read_only = true;
    else if (option == "noexec") mount.executable = false;
    else if (option != "rw" && option != "exec" && option != "nosuid" && option != "nodev")
      fail("tmpfs", text, "unknown option " + option);
  }
  return mount;
}

bool is_true(const std::string& value) { return value != "false" && value != "0"; }

// type=bind|volume|tmpfs|image,source=S,target=T,...
MountConfig parse_mount(const std::string& text) {
  std::map<std::string, std::string> keys;
  for (const std::string& field : base::split(text, ',')) {
    size_t equals = field.find('=');
    std::string key = field.substr(0, equals);
    std::string value = equals == std::string::npos ? "true" : field.substr(equals + 1);
    if (key == "src") key = "source";
    if (key == "dst" || key == "destination") key = "target";
    if (key == "ro") key = "readonly";
    if (key == "U") key = "chown";
    if (key == "volume-subpath" || key == "image-subpath") key = "subpath";
    static const std::vector<std::string> kKnown = {
        "type", "source", "target", "readonly", "tmpfs-size", "tmpfs-mode", "subpath", "volume-nocopy", "idmap", "chown"};
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end())
      fail("mount", text, "unknown key " + base::printable(key));
    keys[key] = value;
  }
  if (keys["target"].empty()) fail("mount", text, "target= is missing");
  const std::string type = keys.contains("type") ? keys["type"] : "volume";
  MountConfig mount = tmpfs(keys["target"], "mount");
  mount.read_only = keys.contains("readonly") && is_true(keys["readonly"]);
  mount.subpath = keys["subpath"];
  mount.map_ids = keys.contains("idmap") && is_true(keys["idmap"]);
  mount.chown = keys.contains("chown") && is_true(keys["chown"]);
  if (mount.chown && type != "bind" && type != "volume") fail("mount", text, "chown is for bind and volume");
  if (type == "bind" || type == "image") {
    if (keys["source"].empty()) fail("mount", text, "source= is missing");
    mount.type = type == "bind" ? MountConfig::Type::kBind : MountConfig::Type::kImage;
    mount.source = type == "bind" ? host_path(keys["source"], "mount") : keys["source"];
  } else if (type == "volume") {
    mount.type = MountConfig::Type::kVolume;
    mount.source = keys["source"];
    mount.anonymous = mount.source.empty();
    mount.copy = !keys.contains("volume-nocopy") || !is_true(keys["volume-nocopy"]);
  } else if (type != "tmpfs") {
    fail("mount", text, "type must be bind, volume, tmpfs or image; others are not built yet");
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
    if (key == "id") id = value;
    else if (key == "src" || key == "source") mount.source = host_path(value, "secret");
    else if (key == "target" || key == "dst") mount.target = value;
    else fail("secret", text, "unknown key " + base::printable(key) + " (known: id, src, target)");
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

// HOST[:CONTAINER[:rwm]]
container::DeviceConfig parse_device(const std::string& text) {
  std::vector<std::string> parts = base::split(text, ':');
  if (parts.size() > 3) fail("device", text, "expected HOST[:CONTAINER[:rwm]]");
  container::DeviceConfig device;
  device.source = host_path(parts[0], "device");
  device.target = parts.size() > 1 ? container_path(parts[1], "device") : device.source;
  if (parts.size() == 3) device.access = parts[2];
  if (device.access.find_first_not_of("rwm") != std::string::npos || device.access.empty())
    fail("device", text, "access is made of the letters r, w and m");
  if (device.access.find('w') == std::string::npos)
    fail("device", text, "a device that cannot be written is not built yet");
  return device;
}

// NAME=SOFT[:HARD]
launch::Ulimit parse_ulimit(const std::string& text) {
  static const std::map<std::string, int> kNames = {
      {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE},
      {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE},
      {"nice", RLIMIT_NICE}, {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC},
      {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO}, {"rttime", RLIMIT_RTTIME},
      {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK}, {"as", RLIMIT_AS}};
  size_t equals = text.find('=');
  auto name = kNames.find(text.substr(0, equals));
  if (equals == std::string::npos || name == kNames.end())
    fail("ulimit", text, "expected NAME=SOFT[:HARD] with a name such as nofile");
  auto number = [&](const std::string& digits) -> uint64_t {
    if (digits == "-1" || digits == "unlimited") return RLIM_INFINITY;
    std::optional<uint64_t> value = base::parse_decimal(digits);
    if (!value) fail("ulimit", text, "expected a number");
    return *value;
  };
  std::vector<std::string> values = base::split(text.substr(equals + 1), ':');
  if (values.size() > 2) fail("ulimit", text, "expected SOFT[:HARD]");
  return {name->second, number(values[0]), number(values.back())};
}

void apply_security_option(const std::string& text, Config& spec) {
  constexpr std::string_view kSeccomp = "seccomp=";
  if (text.starts_with(kSeccomp)) {
    const std::string profile = text.substr(kSeccomp.size());
    constexpr uint64_t kMostBytes = 1 << 20;
    // The text is kept, not the name: the container stays what it is when the file changes.
    spec.seccomp = profile == "unconfined" ? profile
                   : profile == "default"  ? ""
                                           : base::with_context("--security-opt", [&] { return sys::read_user_file(profile, kMostBytes); });
  } else if (text == "label=disable" || text == "apparmor=unconfined") {
    // What is always so: torte sets no labels and loads no profiles.
  } else if (text == "systempaths=unconfined") {
    spec.unmask.emplace_back("ALL");
  } else if (text == "no-new-privileges" || text == "no-new-privileges=true" ||
             text == "no-new-privileges:true") {
    spec.no_new_privileges = true;
  } else if (text == "no-new-privileges=false" || text == "no-new-privileges:false") {
    spec.no_new_privileges = false;
  } else if (text.starts_with("mask=")) {
    for (std::string& path : base::split(text.substr(5), ':')) spec.mask.push_back(std::move(path));
  } else if (text.starts_with("unmask=")) {
    for (std::string& path : base::split(text.substr(7), ':')) spec.unmask.push_back(std::move(path));
  } else {
    fail("security-opt", text, "known are seccomp=FILE|default|unconfined, no-new-privileges[=BOOL], mask=PATHS, unmask=PATHS, systempaths=unconfined, label=disable, apparmor=unconfined");
  }
}

launch::Capabilities parse_capabilities(const char* flag, const std::string& text) {
  launch::Capabilities set = 0;
  for (const std::string& name : base::split(text, ',')) {
    std::optional<launch::Capabilities> found = launch::find_capabilities(name);
    if (!found) fail(flag, name, "unknown capability");
    set |= *found;
  }
  return set;
}

void apply_capabilities(const Arguments& arguments, Config& spec) {
  // ALL in one list is the starting point of the other, as elsewhere.
  launch::Capabilities add = 0, drop = 0;
  for (const std::string& text : arguments.all("cap-add")) add |= parse_capabilities("cap-add", text);
  for (const std::string& text : arguments.all("cap-drop")) drop |= parse_capabilities("cap-drop", text);
  launch::Capabilities all = launch::all_capabilities();
  bool drop_all = (drop & all) == all;
  spec.capabilities = drop_all ? (add & all) : ((spec.capabilities | add) & ~drop & all);
}

}  // namespace

std::vector<Flag> limit_flags() {
  return {
      {.name = "memory", .letter = 'm', .value = "SIZE", .help = "limit of memory", .group = "limits"},
      {.name = "memory-swap", .value = "SIZE", .help = "limit of memory and swap together", .group = "limits"},
      {.name = "memory-reservation", .value = "SIZE", .help = "what it is pushed back to when memory is short", .group = "limits"},
      {.name = "cpus", .value = "N", .help = "limit of processor time, 1.5 is one and a half", .group = "limits"},
      {.name = "cpu-quota", .value = "MICROSECONDS", .help = "processor time in each period, instead of --cpus", .group = "limits"},
      {.name = "cpu-period", .value = "MICROSECONDS", .help = "the period (default: 100000)", .group = "limits"},
      {.name = "cpu-shares", .value = "N", .help = "its part when processors are short; 1024 is the usual one", .group = "limits", .aliases = {}},
      {.name = "cpuset-cpus", .value = "LIST", .help = "processors it may use: 0-2,7", .group = "limits"},
      {.name = "cpuset-mems", .value = "LIST", .help = "memory nodes it may use", .group = "limits"},
      {.name = "blkio-weight", .value = "N", .help = "its part when disks are busy: 10 to 1000, 100 is the usual one", .group = "limits"},
      {.name = "device-read-bps", .value = "DEVICE:SIZE", .help = "bytes it may read from a block device in a second", .group = "limits", .repeatable = true},
      {.name = "device-write-bps", .value = "DEVICE:SIZE", .help = "the same for writing", .group = "limits", .repeatable = true},
      {.name = "device-read-iops", .value = "DEVICE:N", .help = "reads from a block device in a second", .group = "limits", .repeatable = true},
      {.name = "device-write-iops", .value = "DEVICE:N", .help = "the same for writes", .group = "limits", .repeatable = true},
      {.name = "pids-limit", .value = "N", .help = "limit of processes and threads; 0 is none (default: 2048)", .group = "limits"},
  };
}

std::vector<Flag> container_flags() {
  return {
      {.name = "env", .letter = 'e', .value = "NAME[=VALUE]", .help = "variable of the program", .repeatable = true, .common = true},
      {.name = "env-file", .value = "FILE", .help = "file of variables, one NAME=VALUE a line", .repeatable = true},
      {.name = "volume", .letter = 'v', .value = "[HOST|NAME:]CONTAINER[:OPTIONS]", .help = "directory, file or volume in the container; options ro, O (writes stay in the container), U (given to its user), ...", .group = "files", .repeatable = true, .common = true},
      {.name = "mount", .value = "SPEC", .help = "type=bind|volume|tmpfs|image,source=S,target=T[,readonly][,subpath=P][,chown]", .group = "files", .repeatable = true},
      {.name = "tmpfs", .value = "PATH[:OPTIONS]", .help = "empty directory in memory", .group = "files", .repeatable = true},
      {.name = "secret", .value = "id=ID,src=FILE[,target=PATH]", .help = "file of the host at /run/secrets/ID, read-only and in no layer", .group = "files", .repeatable = true},
      {.name = "read-only", .help = "the root cannot be written", .group = "files"},
      {.name = "read-only-tmpfs", .help = "with --read-only: /run, /tmp and /var/tmp are empty and in memory", .group = "files"},
      {.name = "device", .value = "HOST[:CONTAINER[:rwm]]", .help = "device of the host in the container; run and create also take CDI names, vendor.com/class=name", .group = "files", .repeatable = true},
      {.name = "gpus", .value = "WHICH", .help = "graphics processors by CDI: all, or device=NAME[,NAME..], of nvidia.com/gpu", .group = "files"},
      {.name = "cdi-spec-dir", .value = "DIR", .help = "where CDI files lie (default: /etc/cdi, /var/run/cdi)", .group = "files", .repeatable = true},
      {.name = "shm-size", .value = "SIZE", .help = "size of /dev/shm (default: 64m)", .group = "files"},
      {.name = "ulimit", .value = "NAME=SOFT[:HARD]", .help = "limit of one process", .group = "limits", .repeatable = true},
      {.name = "sysctl", .value = "NAME=VALUE", .help = "kernel parameter of its namespaces", .group = "limits", .repeatable = true},
      {.name = "privileged", .help = "every capability, nothing hidden, no system call refused", .group = "security"},
      {.name = "cap-add", .value = "NAME", .help = "capability to give", .group = "security", .repeatable = true},
      {.name = "cap-drop", .value = "NAME", .help = "capability to take away; ALL is every one", .group = "security", .repeatable = true},
      {.name = "security-opt", .value = "OPTION", .help = "seccomp=FILE|default|unconfined, no-new-privileges[=BOOL], mask=PATHS, unmask=PATHS", .group = "security", .repeatable = true},
  };
}

namespace {

void apply_throttles(const Arguments& arguments, launch::Limits& limits) {
  using Kind = launch::Throttle::Kind;
  for (const auto& [flag, kind] :
       {std::pair("device-read-bps", Kind::kReadBytes), std::pair("device-write-bps", Kind::kWriteBytes),
        std::pair("device-read-iops", Kind::kReadOperations), std::pair("device-write-iops", Kind::kWriteOperations)}) {
    for (const std::string& text : arguments.all(flag)) {
      const size_t colon = text.rfind(':');
      if (colon == std::string::npos) fail(flag, text, "expected DEVICE:RATE");
      const std::string device = host_path(text.substr(0, colon), flag), rate = text.substr(colon + 1);
      const bool bytes = kind == Kind::kReadBytes || kind == Kind::kWriteBytes;
      const std::optional<uint64_t> value = bytes ? base::parse_size(rate) : base::parse_decimal(rate);
      if (!value || *value == 0) fail(flag, text, bytes ? "expected a size such as 1m after the colon" : "expected a number above 0 after the colon");
      struct stat status;
      if (::stat(device.c_str(), &status) < 0 || !S_ISBLK(status.st_mode)) fail(flag, text, "that is no block device");
      limits.throttles.push_back({kind, major(status.st_rdev), minor(status.st_rdev), *value});
    }
  }
}

void apply_cpu_quota(const Arguments& arguments, launch::Limits& limits) {
  constexpr uint64_t kPeriod = 100000, kShortest = 1000, kLongest = 1000000;
  const auto quota = arguments.number("cpu-quota"), period = arguments.number("cpu-period");
  if (period && (*period < kShortest || *period > kLongest))
    fail("cpu-period", std::to_string(*period), "expected 1000 to 1000000");
  if (period) limits.cpu_period_microseconds = period;
  if (quota && arguments.has("cpus")) fail("cpu-quota", std::to_string(*quota), "--cpus says the same thing; use one of them");
  if (quota && *quota < kShortest) fail("cpu-quota", std::to_string(*quota), "expected at least 1000");
  if (quota) limits.cpus = static_cast<double>(*quota) / static_cast<double>(period.value_or(kPeriod));
  if (period && !limits.cpus) fail("cpu-period", std::to_string(*period), "it needs --cpu-quota or --cpus");
}

}  // namespace

void apply_limits(const Arguments& arguments, launch::Limits& limits) {
  if (auto bytes = arguments.size_bytes("memory")) limits.memory_bytes = bytes;
  if (auto bytes = arguments.size_bytes("memory-swap")) limits.memory_swap_bytes = bytes;
  if (auto bytes = arguments.size_bytes("memory-reservation")) limits.memory_reservation_bytes = bytes;
  if (auto number = arguments.number("pids-limit")) limits.pids = number;
  if (auto number = arguments.number("cpu-shares")) limits.cpu_shares = number;
  if (auto text = arguments.find("cpuset-cpus")) limits.cpuset_cpus = *text;
  if (auto text = arguments.find("cpuset-mems")) limits.cpuset_memories = *text;
  if (limits.memory_swap_bytes && limits.memory_swap_bytes < limits.memory_bytes)
    fail("memory-swap", arguments.get("memory-swap"), "it counts memory too, so it is at least --memory");
  if (auto text = arguments.find("cpus")) {
    char* end = nullptr;
    double cpus = std::strtod(text->c_str(), &end);
    if (text->empty() || *end != '\0' || !(cpus > 0) || cpus > 1e6)
      fail("cpus", *text, "expected a number above 0");
    limits.cpus = cpus;
  }
  apply_cpu_quota(arguments, limits);
  if (auto number = arguments.number("blkio-weight")) limits.io_weight = number;
  if (limits.io_weight && (*limits.io_weight < 10 || *limits.io_weight > 1000))
    fail("blkio-weight", arguments.get("blkio-weight"), "expected 10 to 1000");
  apply_throttles(arguments, limits);
}

std::vector<Flag> sandbox_flags() {
  std::vector<Flag> flags = container_flags();
  std::erase_if(flags, [](const Flag& flag) {
    return flag.name != "ulimit" && flag.name != "cap-add" && flag.name != "cap-drop" && flag.name != "security-opt" &&
           flag.name != "device";
  });
  return flags;
}

void apply_sandbox_flags(const Arguments& arguments, Config& config) {
  for (const std::string& text : arguments.all("ulimit")) config.ulimits.push_back(parse_ulimit(text));
  // Names are for apply_container_flags(): they bring more than a node.
  for (const std::string& text : arguments.all("device"))
    if (!container::is_cdi_name(text)) config.devices.push_back(parse_device(text));
  for (const std::string& text : arguments.all("security-opt")) apply_security_option(text, config);
  apply_capabilities(arguments, config);
  // Mistakes in a profile are told now, not when it starts.
  if (!config.seccomp.empty() && config.seccomp != "unconfined")
    launch::compile_seccomp_profile(config.seccomp, config.capabilities);
}

namespace {

/// Devices given by name, and --gpus, which is another way to give some.
std::vector<std::string> named_devices(const Arguments& arguments) {
  constexpr const char* kGpu = "nvidia.com/gpu=";
  constexpr std::string_view kDevice = "device=";
  std::vector<std::string> names;
  for (const std::string& text : arguments.all("device"))
    if (container::is_cdi_name(text)) names.push_back(text);
  const auto gpus = arguments.find("gpus");
  if (!gpus) return names;
  if (*gpus != "all" && !gpus->starts_with(kDevice)) fail("gpus", *gpus, "expected all, or device=NAME[,NAME..]");
  for (const std::string& one : base::split(*gpus == "all" ? *gpus : gpus->substr(kDevice.size()), ','))
    names.push_back(kGpu + one);
  return names;
}

}  // namespace

void apply_container_flags(const Arguments& arguments, Config& config) {
  for (const std::string& text : arguments.all("volume")) config.mounts.push_back(parse_volume(text));
  for (const std::string& text : arguments.all("mount")) config.mounts.push_back(parse_mount(text));
  for (const std::string& text : arguments.all("tmpfs")) config.mounts.push_back(parse_tmpfs(text));
  for (const std::string& text : arguments.all("secret")) config.mounts.push_back(parse_secret(text));
  for (const std::string& text : arguments.all("sysctl")) {
    size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) fail("sysctl", text, "expected NAME=VALUE");
    config.sysctls.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  config.privileged = arguments.is_on("privileged");
  apply_sandbox_flags(arguments, config);
  config.read_only = arguments.is_on("read-only");
  if (arguments.is_on("read-only-tmpfs")) {
    if (!config.read_only) fail("read-only-tmpfs", "true", "it needs --read-only");
    for (const char* path : {"/run", "/tmp", "/var/tmp"}) {
      MountConfig mount = tmpfs(path, "read-only-tmpfs");
      if (mount.target == "/run") mount.mode = 0755;
      config.mounts.insert(config.mounts.begin(), std::move(mount));  // the user's own count more
    }
  }
  std::vector<std::filesystem::path> cdi;
  for (const std::string& directory : arguments.all("cdi-spec-dir")) cdi.emplace_back(directory);
  container::apply_cdi_devices(cdi.empty() ? container::kCdiDirectories : cdi, named_devices(arguments), config);
  if (auto bytes = arguments.size_bytes("shm-size")) config.shm_bytes = *bytes;
  apply_limits(arguments, config.limits);
}

std::map<std::string, std::string> parse_annotations(const Arguments& arguments) {
  std::map<std::string, std::string> annotations;
  for (const std::string& text : arguments.all("annotation")) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) fail("annotation", text, "expected KEY=VALUE");
    annotations[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return annotations;
}

std::map<std::string, std::string> parse_labels(const Arguments& arguments) {
  std::map<std::string, std::string> labels;
  auto set = [&](const std::string& text) {
    size_t equals = text.find('=');
    if (equals == 0) fail("label", text, "expected KEY[=VALUE]");
    labels[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
  };
  constexpr uint64_t kMostBytes = 16 << 20;
  for (const std::string& file : arguments.all("label-file"))
    for (const std::string& line : base::split(sys::read_user_file(file, kMostBytes), '\n'))
      if (std::string_view text = base::trim(line); !text.empty() && text[0] != '#')
        set(std::string(text));
  for (const std::string& text : arguments.all("label")) set(text);
  return labels;
}

std::vector<std::string> container_environment(const Context& context, const Arguments& arguments,
                                               const std::vector<std::string>& image_environment) {
  constexpr uint64_t kMostBytes = 16 << 20;
  std::vector<std::string> environment = image_environment;
  auto set = [&](const std::string& text) {
    size_t equals = text.find('=');
    std::string name = text.substr(0, equals);
    if (name.empty()) fail("env", text, "expected NAME[=VALUE]");
    std::string value;
    if (equals != std::string::npos) value = text.substr(equals + 1);
    else if (const char* ours = context.getenv(name.c_str())) value = ours;
    else return;
    std::erase_if(environment, [&](const std::string& known) { return known.starts_with(name + "="); });
    environment.push_back(name + "=" + value);
  };
  for (const std::string& file : arguments.all("env-file")) {
    for (const std::string& line : base::split(sys::read_user_file(file, kMostBytes), '\n')) {
      std::string_view text = base::trim(line);
      if (!text.empty() && text[0] != '#') set(std::string(text));
    }
  }
  for (const std::string& text : arguments.all("env")) set(text);
  return environment;
}

}  // namespace cli
