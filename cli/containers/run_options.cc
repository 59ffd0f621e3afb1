#include "cli/containers/run_options.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/mount_options.h"
#include "runner/container/cdi.h"
#include "runner/launch/seccomp_profile.h"

namespace cli {

namespace {

[[noreturn]] void fail(const char* flag, const std::string& value, const std::string& why) {
  throw UsageError(base::str("--", flag, " ", base::printable(value), ": ", why));
}

using container::Config;

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
      {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
      {"data", RLIMIT_DATA},         {"fsize", RLIMIT_FSIZE},
      {"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
      {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
      {"nofile", RLIMIT_NOFILE},     {"nproc", RLIMIT_NPROC},
      {"rss", RLIMIT_RSS},           {"rtprio", RLIMIT_RTPRIO},
      {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
      {"stack", RLIMIT_STACK},       {"as", RLIMIT_AS}};
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
                                           : base::with_context("--security-opt", [&] {
                                              return sys::read_user_file(profile, kMostBytes);
                                            });
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
    for (std::string& path : base::split(text.substr(7), ':'))
      spec.unmask.push_back(std::move(path));
  } else {
    fail("security-opt", text,
         "known are seccomp=FILE|default|unconfined, no-new-privileges[=BOOL], mask=PATHS, "
         "unmask=PATHS, systempaths=unconfined, label=disable, apparmor=unconfined");
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
  for (const std::string& text : arguments.all("cap-add"))
    add |= parse_capabilities("cap-add", text);
  for (const std::string& text : arguments.all("cap-drop"))
    drop |= parse_capabilities("cap-drop", text);
  launch::Capabilities all = launch::all_capabilities();
  bool drop_all = (drop & all) == all;
  spec.capabilities = drop_all ? (add & all) : ((spec.capabilities | add) & ~drop & all);
}

}  // namespace

std::vector<Flag> limit_flags() {
  return {
      {.name = "memory",
       .letter = 'm',
       .value = "SIZE",
       .help = "limit of memory",
       .group = "limits"},
      {.name = "memory-swap",
       .value = "SIZE",
       .help = "limit of memory and swap together",
       .group = "limits"},
      {.name = "memory-reservation",
       .value = "SIZE",
       .help = "what it is pushed back to when memory is short",
       .group = "limits"},
      {.name = "cpus",
       .value = "N",
       .help = "limit of processor time, 1.5 is one and a half",
       .group = "limits"},
      {.name = "cpu-quota",
       .value = "MICROSECONDS",
       .help = "processor time in each period, instead of --cpus",
       .group = "limits"},
      {.name = "cpu-period",
       .value = "MICROSECONDS",
       .help = "the period (default: 100000)",
       .group = "limits"},
      {.name = "cpu-shares",
       .value = "N",
       .help = "its part when processors are short; 1024 is the usual one",
       .group = "limits",
       .aliases = {}},
      {.name = "cpuset-cpus",
       .value = "LIST",
       .help = "processors it may use: 0-2,7",
       .group = "limits"},
      {.name = "cpuset-mems",
       .value = "LIST",
       .help = "memory nodes it may use",
       .group = "limits"},
      {.name = "blkio-weight",
       .value = "N",
       .help = "its part when disks are busy: 10 to 1000, 100 is the usual one",
       .group = "limits"},
      {.name = "device-read-bps",
       .value = "DEVICE:SIZE",
       .help = "bytes it may read from a block device in a second",
       .group = "limits",
       .repeatable = true},
      {.name = "device-write-bps",
       .value = "DEVICE:SIZE",
       .help = "the same for writing",
       .group = "limits",
       .repeatable = true},
      {.name = "device-read-iops",
       .value = "DEVICE:N",
       .help = "reads from a block device in a second",
       .group = "limits",
       .repeatable = true},
      {.name = "device-write-iops",
       .value = "DEVICE:N",
       .help = "the same for writes",
       .group = "limits",
       .repeatable = true},
      {.name = "pids-limit",
       .value = "N",
       .help = "limit of processes and threads; 0 is none (default: 2048)",
       .group = "limits"},
  };
}

std::vector<Flag> environment_flags() {
  return {
      {.name = "env",
       .letter = 'e',
       .value = "NAME[=VALUE]",
       .help = "variable of the program",
       .repeatable = true,
       .common = true},
      {.name = "env-file",
       .value = "FILE",
       .help = "file of variables, one NAME=VALUE a line",
       .repeatable = true},
  };
}

std::vector<Flag> container_flags() {
  std::vector<Flag> flags = {
      {.name = "device",
       .value = "HOST[:CONTAINER[:rwm]]",
       .help = "device of the host in the container; run and create also take CDI names, "
               "vendor.com/class=name",
       .group = "files",
       .repeatable = true},
      {.name = "gpus",
       .value = "WHICH",
       .help = "graphics processors by CDI: all, or device=NAME[,NAME..], of nvidia.com/gpu",
       .group = "files"},
      {.name = "cdi-spec-dir",
       .value = "DIR",
       .help = "where CDI files lie (default: /etc/cdi, /var/run/cdi)",
       .group = "files",
       .repeatable = true},
      {.name = "shm-size",
       .value = "SIZE",
       .help = "size of /dev/shm (default: 64m)",
       .group = "files"},
      {.name = "ulimit",
       .value = "NAME=SOFT[:HARD]",
       .help = "limit of one process",
       .group = "limits",
       .repeatable = true},
      {.name = "sysctl",
       .value = "NAME=VALUE",
       .help = "kernel parameter of its namespaces",
       .group = "limits",
       .repeatable = true},
      {.name = "privileged",
       .help = "every capability, nothing hidden, no system call refused",
       .group = "security"},
      {.name = "cap-add",
       .value = "NAME",
       .help = "capability to give",
       .group = "security",
       .repeatable = true},
      {.name = "cap-drop",
       .value = "NAME",
       .help = "capability to take away; ALL is every one",
       .group = "security",
       .repeatable = true},
      {.name = "security-opt",
       .value = "OPTION",
       .help =
           "seccomp=FILE|default|unconfined, no-new-privileges[=BOOL], mask=PATHS, unmask=PATHS",
       .group = "security",
       .repeatable = true},
  };
  const std::vector<Flag> mounts = mount_flags();
  flags.insert(flags.end(), mounts.begin(), mounts.end());
  return flags;
}

namespace {

void apply_throttles(const Arguments& arguments, launch::Limits& limits) {
  using Kind = launch::Throttle::Kind;
  for (const auto& [flag, kind] : {std::pair("device-read-bps", Kind::kReadBytes),
                                   std::pair("device-write-bps", Kind::kWriteBytes),
                                   std::pair("device-read-iops", Kind::kReadOperations),
                                   std::pair("device-write-iops", Kind::kWriteOperations)}) {
    for (const std::string& text : arguments.all(flag)) {
      const size_t colon = text.rfind(':');
      if (colon == std::string::npos) fail(flag, text, "expected DEVICE:RATE");
      const std::string device = host_path(text.substr(0, colon), flag),
                        rate = text.substr(colon + 1);
      const bool bytes = kind == Kind::kReadBytes || kind == Kind::kWriteBytes;
      const std::optional<uint64_t> value =
          bytes ? base::parse_size(rate) : base::parse_decimal(rate);
      if (!value || *value == 0)
        fail(flag, text,
             bytes ? "expected a size such as 1m after the colon"
                   : "expected a number above 0 after the colon");
      struct stat status;
      if (::stat(device.c_str(), &status) < 0 || !S_ISBLK(status.st_mode))
        fail(flag, text, "that is no block device");
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
  if (quota && arguments.has("cpus"))
    fail("cpu-quota", std::to_string(*quota), "--cpus says the same thing; use one of them");
  if (quota && *quota < kShortest)
    fail("cpu-quota", std::to_string(*quota), "expected at least 1000");
  if (quota)
    limits.cpus = static_cast<double>(*quota) / static_cast<double>(period.value_or(kPeriod));
  if (period && !limits.cpus)
    fail("cpu-period", std::to_string(*period), "it needs --cpu-quota or --cpus");
}

}  // namespace

void apply_limits(const Arguments& arguments, launch::Limits& limits) {
  if (auto bytes = arguments.size_bytes("memory")) limits.memory_bytes = bytes;
  if (auto bytes = arguments.size_bytes("memory-swap")) limits.memory_swap_bytes = bytes;
  if (auto bytes = arguments.size_bytes("memory-reservation"))
    limits.memory_reservation_bytes = bytes;
  if (auto number = arguments.number("pids-limit")) limits.pids = number;
  if (auto number = arguments.number("cpu-shares")) limits.cpu_shares = number;
  if (auto text = arguments.find("cpuset-cpus")) limits.cpuset_cpus = *text;
  if (auto text = arguments.find("cpuset-mems")) limits.cpuset_memories = *text;
  if (limits.memory_swap_bytes && limits.memory_swap_bytes < limits.memory_bytes)
    fail("memory-swap", arguments.get("memory-swap"),
         "it counts memory too, so it is at least --memory");
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
    return flag.name != "ulimit" && flag.name != "cap-add" && flag.name != "cap-drop" &&
           flag.name != "security-opt" && flag.name != "device";
  });
  return flags;
}

void apply_sandbox_flags(const Arguments& arguments, Config& config) {
  for (const std::string& text : arguments.all("ulimit"))
    config.ulimits.push_back(parse_ulimit(text));
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
  if (*gpus != "all" && !gpus->starts_with(kDevice))
    fail("gpus", *gpus, "expected all, or device=NAME[,NAME..]");
  for (const std::string& one :
       base::split(*gpus == "all" ? *gpus : gpus->substr(kDevice.size()), ','))
    names.push_back(kGpu + one);
  return names;
}

}  // namespace

void apply_container_flags(const Arguments& arguments, Config& config) {
  apply_mount_flags(arguments, config);
  for (const std::string& text : arguments.all("sysctl")) {
    size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) fail("sysctl", text, "expected NAME=VALUE");
    config.sysctls.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  config.privileged = arguments.is_on("privileged");
  apply_sandbox_flags(arguments, config);
  std::vector<std::filesystem::path> cdi;
  for (const std::string& directory : arguments.all("cdi-spec-dir")) cdi.emplace_back(directory);
  container::apply_cdi_devices(cdi.empty() ? container::kCdiDirectories : cdi,
                               named_devices(arguments), config);
  if (auto bytes = arguments.size_bytes("shm-size")) config.shm_bytes = *bytes;
  apply_limits(arguments, config.limits);
}

int preserved_fds(const Arguments& arguments) {
  constexpr uint64_t kMost = 100;
  const uint64_t count = arguments.number("preserve-fds").value_or(0);
  if (count > kMost) fail("preserve-fds", std::to_string(count), "expected 100 at most");
  for (int fd = STDERR_FILENO + 1; fd <= STDERR_FILENO + static_cast<int>(count); ++fd) {
    // What is ours has close-on-exec, so it did not come from our caller.
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0)
      fail("preserve-fds", std::to_string(count), base::str("descriptor ", fd, " is not open"));
  }
  return static_cast<int>(count);
}

Flag preserve_fds_flag() {
  return {.name = "preserve-fds",
          .value = "N",
          .help = "hand N further descriptors, from 3 on, to the program"};
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
    if (equals != std::string::npos)
      value = text.substr(equals + 1);
    else if (const char* ours = context.getenv(name.c_str()))
      value = ours;
    else
      return;
    std::erase_if(environment,
                  [&](const std::string& known) { return known.starts_with(name + "="); });
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
