#include "cli/run_options.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"

namespace cli {

namespace {

[[noreturn]] void fail(const char* flag, const std::string& value, const std::string& why) {
  throw UsageError(base::str("--", flag, " ", base::printable(value), ": ", why));
}

sys::UniqueFd open_source(const std::string& source, const char* flag) {
  std::filesystem::path path = source;
  if (path.is_relative()) path = std::filesystem::current_path() / path;
  sys::UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOENT)
    throw base::Error(base::Code::kNotFound,
                      base::str("--", flag, ": ", base::printable(path.string()), " does not exist"),
                      "mount-source-missing");
  base::throw_errno("open " + path.string());
}

launch::Mount bind(const std::string& source, const std::string& target, bool read_only,
                   const char* flag) {
  if (!target.starts_with('/')) fail(flag, target, "the path in the container must be absolute");
  launch::Mount mount;
  mount.kind = launch::Mount::Kind::kBind;
  mount.source = open_source(source, flag);
  mount.target = sys::RootedPath(target);
  mount.read_only = read_only;
  mount.recursive = true;
  return mount;
}

// HOST:CONTAINER[:OPTIONS]
launch::Mount parse_volume(const std::string& text) {
  std::vector<std::string> parts = base::split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty())
    fail("volume", text, "expected HOST:CONTAINER[:ro]; anonymous volumes are not built yet");
  if (parts[0].find('/') == std::string::npos && parts[0] != "." && parts[0] != "..")
    fail("volume", text, "named volumes are not built yet; give a directory as ./NAME or /PATH");
  bool read_only = false;
  if (parts.size() == 3) {
    for (const std::string& option : base::split(parts[2], ',')) {
      if (option == "ro") read_only = true;
      else if (option != "rw" && option != "z" && option != "Z")
        fail("volume", text, "unknown option " + option + " (known: ro, rw)");
    }
  }
  return bind(parts[0], parts[1], read_only, "volume");
}

mode_t parse_octal(const char* flag, const std::string& text) {
  if (text.empty() || text.size() > 5 || text.find_first_not_of("01234567") != std::string::npos)
    fail(flag, text, "expected an octal mode");
  return static_cast<mode_t>(std::stoul(text, nullptr, 8));
}

launch::Mount tmpfs(const std::string& target) {
  launch::Mount mount;
  mount.kind = launch::Mount::Kind::kTmpfs;
  mount.target = sys::RootedPath(target);
  mount.mode = 01777;
  return mount;
}

uint64_t parse_bytes(const char* flag, const std::string& text) {
  std::optional<uint64_t> bytes = base::parse_size(text);
  if (!bytes) fail(flag, text, "expected a size such as 64m");
  return *bytes;
}

// /PATH[:size=64m,mode=1777,ro,rw]
launch::Mount parse_tmpfs(const std::string& text) {
  size_t colon = text.find(':');
  launch::Mount mount = tmpfs(text.substr(0, colon));
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

// type=bind,source=S,target=T[,readonly] or type=tmpfs,target=T[,tmpfs-size=N][,tmpfs-mode=M]
launch::Mount parse_mount(const std::string& text) {
  std::map<std::string, std::string> keys;
  for (const std::string& field : base::split(text, ',')) {
    size_t equals = field.find('=');
    std::string key = field.substr(0, equals);
    std::string value = equals == std::string::npos ? "true" : field.substr(equals + 1);
    if (key == "src") key = "source";
    if (key == "dst" || key == "destination") key = "target";
    if (key == "ro") key = "readonly";
    static const std::vector<std::string> kKnown = {"type", "source", "target", "readonly",
                                                    "tmpfs-size", "tmpfs-mode"};
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end())
      fail("mount", text, "unknown key " + base::printable(key));
    keys[key] = value;
  }
  if (keys["target"].empty()) fail("mount", text, "target= is missing");
  bool read_only = keys.contains("readonly") && keys["readonly"] != "false" && keys["readonly"] != "0";
  if (keys["type"] == "bind") {
    if (keys["source"].empty()) fail("mount", text, "source= is missing");
    return bind(keys["source"], keys["target"], read_only, "mount");
  }
  if (keys["type"] != "tmpfs") fail("mount", text, "type must be bind or tmpfs; others are not built yet");
  launch::Mount mount = tmpfs(keys["target"]);
  mount.read_only = read_only;
  if (keys.contains("tmpfs-size")) mount.size_bytes = parse_bytes("mount", keys["tmpfs-size"]);
  if (keys.contains("tmpfs-mode")) mount.mode = parse_octal("mount", keys["tmpfs-mode"]);
  return mount;
}

// HOST[:CONTAINER]
launch::Mount parse_device(const std::string& text) {
  std::vector<std::string> parts = base::split(text, ':');
  if (parts.size() > 2) fail("device", text, "expected HOST[:CONTAINER]; access letters are not built yet");
  launch::Mount mount = bind(parts[0], parts.back(), false, "device");
  mount.recursive = false;
  mount.devices = true;
  return mount;
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

void apply_security_option(const std::string& text, launch::Spec& spec) {
  if (text == "seccomp=unconfined") {
    spec.seccomp = launch::Seccomp::kUnconfined;
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
    fail("security-opt", text, "known are seccomp=unconfined, no-new-privileges[=BOOL], mask=PATHS, unmask=PATHS");
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

void apply_capabilities(const Arguments& arguments, launch::Spec& spec) {
  // ALL in one list is the starting point of the other, as elsewhere.
  launch::Capabilities add = 0, drop = 0;
  for (const std::string& text : arguments.all("cap-add")) add |= parse_capabilities("cap-add", text);
  for (const std::string& text : arguments.all("cap-drop")) drop |= parse_capabilities("cap-drop", text);
  launch::Capabilities all = launch::all_capabilities();
  bool drop_all = (drop & all) == all;
  spec.capabilities = drop_all ? (add & all) : ((spec.capabilities | add) & ~drop & all);
}

}  // namespace

std::vector<Flag> container_flags() {
  return {
      {.name = "env", .letter = 'e', .value = "NAME[=VALUE]", .help = "variable of the program", .repeatable = true, .common = true},
      {.name = "env-file", .value = "FILE", .help = "file of variables, one NAME=VALUE a line", .repeatable = true},
      {.name = "volume", .letter = 'v', .value = "HOST:CONTAINER[:ro]", .help = "directory or file of the host in the container", .group = "files", .repeatable = true, .common = true},
      {.name = "mount", .value = "SPEC", .help = "type=bind,source=S,target=T[,readonly] or type=tmpfs,target=T", .group = "files", .repeatable = true},
      {.name = "tmpfs", .value = "PATH[:OPTIONS]", .help = "empty directory in memory", .group = "files", .repeatable = true},
      {.name = "read-only", .help = "the root cannot be written", .group = "files"},
      {.name = "device", .value = "HOST[:CONTAINER]", .help = "device of the host in the container", .group = "files", .repeatable = true},
      {.name = "shm-size", .value = "SIZE", .help = "size of /dev/shm (default: 64m)", .group = "files"},
      {.name = "memory", .letter = 'm', .value = "SIZE", .help = "limit of memory", .group = "limits"},
      {.name = "cpus", .value = "N", .help = "limit of processor time, 1.5 is one and a half", .group = "limits"},
      {.name = "pids-limit", .value = "N", .help = "limit of processes and threads; 0 is none (default: 2048)", .group = "limits"},
      {.name = "ulimit", .value = "NAME=SOFT[:HARD]", .help = "limit of one process", .group = "limits", .repeatable = true},
      {.name = "cap-add", .value = "NAME", .help = "capability to give", .group = "security", .repeatable = true},
      {.name = "cap-drop", .value = "NAME", .help = "capability to take away; ALL is every one", .group = "security", .repeatable = true},
      {.name = "security-opt", .value = "OPTION", .help = "seccomp=unconfined, no-new-privileges[=BOOL], mask=, unmask=", .group = "security", .repeatable = true},
  };
}

void apply_container_flags(const Arguments& arguments, launch::Spec& spec) {
  for (const std::string& text : arguments.all("volume")) spec.mounts.push_back(parse_volume(text));
  for (const std::string& text : arguments.all("mount")) spec.mounts.push_back(parse_mount(text));
  for (const std::string& text : arguments.all("tmpfs")) spec.mounts.push_back(parse_tmpfs(text));
  for (const std::string& text : arguments.all("device")) spec.mounts.push_back(parse_device(text));
  for (const std::string& text : arguments.all("ulimit")) spec.ulimits.push_back(parse_ulimit(text));
  for (const std::string& text : arguments.all("security-opt")) apply_security_option(text, spec);
  apply_capabilities(arguments, spec);
  spec.root.read_only = arguments.is_on("read-only");
  if (auto bytes = arguments.size_bytes("shm-size")) spec.shm_bytes = *bytes;
  spec.limits.memory_bytes = arguments.size_bytes("memory");
  spec.limits.pids = arguments.number("pids-limit");
  if (auto text = arguments.find("cpus")) {
    char* end = nullptr;
    double cpus = std::strtod(text->c_str(), &end);
    if (text->empty() || *end != '\0' || !(cpus > 0) || cpus > 1e6)
      fail("cpus", *text, "expected a number above 0");
    spec.limits.cpus = cpus;
  }
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
