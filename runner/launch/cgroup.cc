#include "runner/launch/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"

namespace launch {

namespace {

constexpr const char* kMountPoint = "/sys/fs/cgroup";
constexpr uint64_t kMaxFile = 1 << 20;
constexpr uint64_t kPeriodMicroseconds = 100000;

/// One file of one controller to be written.
struct Setting {
  std::string controller;
  std::string v1_file, v1_value;
  std::string v2_file, v2_value;
};

uint64_t weight_of_shares(uint64_t shares) {
  uint64_t clamped = std::clamp<uint64_t>(shares, 2, 262144);
  return 1 + (clamped - 2) * 9999 / 262142;
}

bool is_unified() {
  struct statfs status;
  return ::statfs(kMountPoint, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

const char* name_of_io() { return is_unified() ? "io" : "blkio"; }

/// From the scale of v1, 10 to 1000, to that of v2, as other engines do.
uint64_t weight_of_io(uint64_t weight) { return 1 + (weight - 10) * 9999 / 990; }

/// By Throttle::Kind: the middle of the file's name in v1, the key in io.max of v2.
constexpr std::pair<const char*, const char*> kThrottleFiles[] = {
    {"read_bps", "rbps"}, {"write_bps", "wbps"}, {"read_iops", "riops"}, {"write_iops", "wiops"}};

std::vector<Setting> settings_of(const Limits& limits) {
  std::vector<Setting> settings;
  auto add = [&](Setting setting) { settings.push_back(std::move(setting)); };
  if (limits.pids) {
    std::string value = *limits.pids == 0 ? "max" : std::to_string(*limits.pids);
    add({"pids", "pids.max", value, "pids.max", value});
  }
  if (limits.memory_bytes) {
    std::string value = std::to_string(*limits.memory_bytes);
    add({"memory", "memory.limit_in_bytes", value, "memory.max", value});
  }
  if (limits.memory_swap_bytes) {
    // v1 limits the sum, v2 the swap alone.
    uint64_t memory = limits.memory_bytes.value_or(0);
    uint64_t total = *limits.memory_swap_bytes;
    add({"memory", "memory.memsw.limit_in_bytes", std::to_string(total), "memory.swap.max",
         std::to_string(total > memory ? total - memory : 0)});
  }
  if (limits.cpus) {
    const uint64_t period = limits.cpu_period_microseconds.value_or(kPeriodMicroseconds);
    if (limits.cpu_period_microseconds)
      add({"cpu", "cpu.cfs_period_us", std::to_string(period), "", ""});
    auto quota = static_cast<uint64_t>(*limits.cpus * static_cast<double>(period));
    std::string value = std::to_string(std::max<uint64_t>(quota, 1000));
    add({"cpu", "cpu.cfs_quota_us", value, "cpu.max", base::str(value, ' ', period)});
  }
  if (limits.cpu_shares)
    add({"cpu", "cpu.shares", std::to_string(*limits.cpu_shares), "cpu.weight",
         std::to_string(weight_of_shares(*limits.cpu_shares))});
  if (limits.memory_reservation_bytes) {
    std::string value = std::to_string(*limits.memory_reservation_bytes);
    add({"memory", "memory.soft_limit_in_bytes", value, "memory.low", value});
  }
  const char* const io = limits.io_weight || !limits.throttles.empty() ? name_of_io() : "";
  if (limits.io_weight)
    add({io, "blkio.bfq.weight", std::to_string(*limits.io_weight), "io.weight",
         base::str("default ", weight_of_io(*limits.io_weight))});
  for (const Throttle& throttle : limits.throttles) {
    const auto [v1, v2] = kThrottleFiles[static_cast<int>(throttle.kind)];
    const std::string device = base::str(throttle.major, ':', throttle.minor, ' ');
    add({io, base::str("blkio.throttle.", v1, "_device"), base::str(device, throttle.rate),
         "io.max", base::str(device, v2, '=', throttle.rate)});
  }
  for (const auto& [file, value] : {std::pair("cpuset.cpus", limits.cpuset_cpus),
                                    std::pair("cpuset.mems", limits.cpuset_memories)})
    if (!value.empty()) add({"cpuset", file, value, file, value});
  return settings;
}

/// Groups of a process ("self" or a number), by controller; "" is the unified tree.
/// [cgroups(7), /proc/PID/cgroup]
std::map<std::string, std::string> groups_of(const std::string& process) {
  std::map<std::string, std::string> groups;
  std::string text = sys::find_user_file("/proc/" + process + "/cgroup", kMaxFile).value_or("");
  for (const std::string& line : base::split(text, '\n')) {
    size_t first = line.find(':');
    size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    for (const std::string& name : base::split(line.substr(first + 1, second - first - 1), ','))
      groups[name] = line.substr(second + 1);
  }
  return groups;
}

std::map<std::string, std::string> own_groups() { return groups_of("self"); }

/// The number of the process that a pidfd stands for. [pidfd_open(2), fdinfo]
std::string number_of(int pidfd) {
  std::istringstream text(
      sys::find_user_file(base::str("/proc/self/fdinfo/", pidfd), kMaxFile).value_or(""));
  for (std::string key, value; text >> key >> value;)
    if (key == "Pid:" && value != "-1") return value;
  throw base::Error(base::Code::kNotFound, "the container is not running", "container-not-running");
}

bool write_file(const std::string& path, const std::string& value) {
  sys::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file &&
         ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

bool has_word(const std::string& path, const std::string& word) {
  std::istringstream words(sys::find_user_file(path, kMaxFile).value_or(""));
  for (std::string found; words >> found;)
    if (found == word) return true;
  return false;
}

/// True when groups below `directory` have the controller, if need be after switching it on.
bool enable(const std::string& directory, const std::string& controller) {
  if (has_word(directory + "/cgroup.subtree_control", controller)) return true;
  return has_word(directory + "/cgroup.controllers", controller) &&
         write_file(directory + "/cgroup.subtree_control", "+" + controller);
}

/// Where we may make groups with all these controllers: for root a group of torte's own at the top,
/// else the highest ancestor of our own group that was delegated to us.
std::optional<std::string> unified_parent(const std::vector<std::string>& controllers,
                                          std::string& missing) {
  std::vector<std::string> candidates;
  std::string top = kMountPoint;
  for (std::string path = own_groups()[""]; path.size() > 1; path.resize(path.rfind('/')))
    candidates.push_back(top + path);
  candidates.push_back(top);
  std::reverse(candidates.begin(), candidates.end());
  if (!controllers.empty()) missing = controllers[0];
  for (const std::string& directory : candidates) {
    if (::access(directory.c_str(), W_OK) < 0) continue;
    missing.clear();
    for (const std::string& controller : controllers)
      if (!enable(directory, controller)) missing = controller;
    if (!missing.empty()) continue;
    std::string own = directory + "/torte";
    if (::mkdir(own.c_str(), 0755) < 0 && errno != EEXIST) continue;
    bool all = std::all_of(controllers.begin(), controllers.end(),
                           [&](const std::string& controller) { return enable(own, controller); });
    if (all) return own;
  }
  return std::nullopt;
}

std::string unique_name() {
  static std::atomic<unsigned> count{0};
  return base::str(::getpid(), '-', count.fetch_add(1));
}

constexpr std::string_view kSeparatePrefix = "torte-";

/// Nothing when the group is gone or its owner lives.
sys::UniqueFd lock_group(const std::string& directory) {
  sys::UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) fd.reset();
  return fd;
}

void kill_listed(const std::string& directory) {
  // New ones may be born while we read; the pid namespace's end has usually left none at all.
  for (int tries = 0; tries < 100; ++tries) {
    std::istringstream list(
        sys::find_user_file(directory + "/cgroup.procs", kMaxFile).value_or(""));
    pid_t pid = 0;
    bool any = false;
    while (list >> pid) any = ::kill(pid, SIGKILL) == 0 || any;
    if (!any) return;
  }
}

/// Removes the groups below a group of v2, which a program may have made, the innermost first.
void remove_groups_below(const std::string& directory) {
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(directory, absent)) {
    if (!entry.is_directory(absent)) continue;
    remove_groups_below(entry.path());
    ::rmdir(entry.path().c_str());
  }
}

/// Takes the groups named PREFIX<pid>-<n> in `parent` away whose owner died.
void sweep(const std::string& parent, std::string_view prefix) {
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(parent, absent)) {
    std::string name = entry.path().filename();
    if (!name.starts_with(prefix)) continue;
    std::string number = name.substr(prefix.size());
    if (number.empty() || number.find_first_not_of("0123456789-") != std::string::npos ||
        number.find('-') == std::string::npos)
      continue;
    // Usually enough, and it disturbs nobody. Numbers of another pid namespace mean nothing here,
    // so the lock has the last word.
    if (::access(("/proc/" + number.substr(0, number.find('-'))).c_str(), F_OK) == 0) continue;
    sys::UniqueFd lock = lock_group(entry.path());
    if (!lock) continue;
    if (!write_file(entry.path() / "cgroup.kill", "1")) kill_listed(entry.path());
    remove_groups_below(entry.path());
    ::rmdir(entry.path().c_str());
  }
}

/// v1: a new cpuset is empty and takes no process; it starts with what its parent has.
void fill_cpuset(const std::string& directory) {
  if (directory.empty()) return;
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    std::string parent = directory.substr(0, directory.rfind('/')) + file;
    std::string value(base::trim(sys::find_user_file(parent, kMaxFile).value_or("")));
    write_file(directory + file, value);
  }
}

[[noreturn]] void fail(const std::string& controller, const std::string& why) {
  base::Error error(base::Code::kUnsupported, "cannot limit " + controller + ": " + why,
                    "limit-unsupported");
  error.add_help("the cgroup controller \"" + controller +
                 "\" must be available and, for an ordinary "
                 "user, delegated (systemd-run --user --scope -p Delegate=yes ...)");
  throw error;
}

std::vector<std::string> controllers_of(const std::vector<Setting>& settings) {
  std::vector<std::string> names;
  for (const Setting& setting : settings)
    if (std::find(names.begin(), names.end(), setting.controller) == names.end())
      names.push_back(setting.controller);
  return names;
}

}  // namespace

Cgroup::Cgroup(const Limits& limits, bool with_freezer, bool for_program) {
  std::vector<Setting> settings = settings_of(limits);
  std::vector<std::string> controllers = controllers_of(settings);
  try {
    if (is_unified()) {
      if (with_freezer) {
        for (const char* counting : {"memory", "cpu", "pids"})
          if (available(counting)) controllers.push_back(counting);
      }
      make_unified(controllers);
    } else {
      // On v2 freezing is no controller.
      if (with_freezer) {
        // The others only count, for stats; a machine may lack some.
        controllers.push_back("freezer");
        for (const char* counting : {"memory", "cpuacct", "pids"})
          if (available(counting) &&
              std::find(controllers.begin(), controllers.end(), counting) == controllers.end())
            controllers.push_back(counting);
      }
      make_separate(controllers);
      fill_cpuset(directory_of("cpuset"));
    }
    apply(limits);
    if (for_program) make_inner();
  } catch (...) {
    remove();  // no destructor runs
    throw;
  }
}

void Cgroup::apply(const Limits& limits) {
  auto write = [&](const Setting& setting) {
    const std::string directory = unified_ ? directories_[0] : directory_of(setting.controller);
    const std::string& file = unified_ ? setting.v2_file : setting.v1_file;
    const std::string& value = unified_ ? setting.v2_value : setting.v1_value;
    if (file.empty()) return true;  // v2 says it with another setting
    return !directory.empty() && write_file(directory + "/" + file, value);
  };
  // Two may bound each other (v1: memory, and memory with swap): then the one that failed first can
  // be written after the other.
  std::vector<Setting> again;
  std::vector<Setting> settings = settings_of(limits);
  for (Setting& setting : settings)
    if (!write(setting)) again.push_back(std::move(setting));
  for (const Setting& setting : again)
    if (!write(setting))
      fail(setting.controller,
           "writing " + (unified_ ? setting.v2_file : setting.v1_file) + " failed");
}

void Cgroup::make_unified(const std::vector<std::string>& controllers) {
  std::string missing;
  std::optional<std::string> parent = unified_parent(controllers, missing);
  if (!parent) fail(missing.empty() ? "processes" : missing, "the controller is not ours to use");
  sweep(*parent, "");
  make_directory(*parent + "/" + unique_name(), missing.empty() ? "processes" : missing);
  unified_ = locks_.back().duplicate();
}

void Cgroup::make_separate(const std::vector<std::string>& controllers) {
  std::map<std::string, std::string> own = own_groups();
  std::string name = unique_name();
  for (const std::string& controller : controllers) {
    std::string directory = base::str(kMountPoint, '/', controller, own[controller]);
    if (directory.back() != '/') directory += '/';
    if (own.count(controller) == 0) fail(controller, "the controller is not ours to use");
    sweep(directory, kSeparatePrefix);
    make_directory(directory + std::string(kSeparatePrefix) + name, controller);
  }
}

void Cgroup::make_inner() {
  if (!unified_)
    throw base::Error(base::Code::kUnsupported, "groups of the program's own need cgroup v2",
                      "systemd-unsupported");
  const std::string inner = directories_[0] + "/program";
  for (const char* controller : {"memory", "cpu", "pids", "io", "cpuset"})
    enable(directories_[0], controller);
  if (::mkdir(inner.c_str(), 0755) < 0) base::throw_errno("create " + inner);
  inner_ = sys::UniqueFd(::open(inner.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!inner_) base::throw_errno("open " + inner);
}

bool can_have_writable_cgroup() { return is_unified() && Cgroup::available("freezer"); }

/// A group is made and locked in two calls; in between somebody else's sweep may take it away.
void Cgroup::make_directory(const std::string& directory, const std::string& controller) {
  constexpr int kTries = 1000;
  for (int tries = 0; tries < kTries; ++tries) {
    if (tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (::mkdir(directory.c_str(), 0755) < 0 && errno != EEXIST)
      fail(controller, "the controller is not ours to use");
    sys::UniqueFd lock = lock_group(directory);
    struct stat now, locked;
    if (!lock || ::fstat(lock.get(), &locked) < 0 || ::stat(directory.c_str(), &now) < 0 ||
        now.st_ino != locked.st_ino)
      continue;
    directories_.push_back(directory);
    locks_.push_back(std::move(lock));
    return;
  }
  fail(controller, "cannot create " + directory);
}

std::string Cgroup::directory_of(const std::string& controller) const {
  std::string prefix = base::str(kMountPoint, '/', controller, '/');
  for (const std::string& directory : directories_)
    if (directory.starts_with(prefix)) return directory;
  return {};
}

std::unique_ptr<Cgroup> Cgroup::of_container(int pidfd) {
  std::unique_ptr<Cgroup> cgroup(new Cgroup());
  cgroup->owned_ = false;
  std::map<std::string, std::string> own = own_groups(), its = groups_of(number_of(pidfd));
  if (is_unified()) {
    if (its[""] == own[""]) return cgroup;
    cgroup->directories_.push_back(kMountPoint + its[""]);
    cgroup->unified_ =
        sys::UniqueFd(::open(cgroup->directories_[0].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup->unified_) base::throw_errno("open cgroup of container");
    return cgroup;
  }
  for (const auto& [controller, group] : its)
    if (controller.find('=') == std::string::npos && !controller.empty() &&
        group != own[controller])
      cgroup->directories_.push_back(base::str(kMountPoint, '/', controller, group));
  return cgroup;
}

Cgroup::~Cgroup() {
  if (owned_) remove();
}

void Cgroup::remove() {
  const bool nested = inner_.get() >= 0;
  inner_.reset();
  unified_.reset();
  // The locks stay until the end: a group of ours is nobody else's to take.
  for (const std::string& directory : directories_) {
    // The last process may still be on its way out.
    for (int tries = 0; tries < 100; ++tries) {
      if (nested) remove_groups_below(directory);
      if (::rmdir(directory.c_str()) == 0 || errno != EBUSY) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

bool Cgroup::available(const std::string& controller) {
  if (!is_unified()) {
    std::map<std::string, std::string> own = own_groups();
    return own.count(controller) > 0 &&
           ::access(base::str(kMountPoint, '/', controller, own[controller]).c_str(), W_OK) == 0;
  }
  std::string missing;
  if (controller == "freezer") return unified_parent({}, missing).has_value();
  return unified_parent({controller}, missing).has_value();
}

void Cgroup::attach(pid_t pid) {
  if (unified_) return;
  for (const std::string& directory : directories_)
    if (!write_file(directory + "/cgroup.procs", std::to_string(pid)))
      base::throw_errno("attach container to " + directory);
}

void Cgroup::freeze(bool frozen) {
  bool done;
  if (unified_) {
    done = write_file(directories_[0] + "/cgroup.freeze", frozen ? "1" : "0");
  } else {
    std::string freezer = directory_of("freezer");
    if (freezer.empty())
      throw base::Error(base::Code::kUnsupported, "pausing needs the freezer controller",
                        "pause-unsupported");
    done = write_file(freezer + "/freezer.state", frozen ? "FROZEN" : "THAWED");
  }
  if (!done) base::throw_errno("freeze container");
}

uint64_t Cgroup::memory_kills() const {
  if (directories_.empty()) return 0;
  std::string file = unified_ ? directories_[0] + "/memory.events"
                              : directory_of("memory") + "/memory.oom_control";
  std::istringstream text(sys::find_user_file(file, kMaxFile).value_or(""));
  uint64_t count = 0;
  for (std::string key; text >> key >> count;)
    if (key == "oom_kill") return count;
  return 0;
}

void Cgroup::kill_all() {
  if (unified_) {
    write_file(directories_[0] + "/cgroup.kill", "1");
    return;
  }
  if (!directories_.empty()) kill_listed(directories_[0]);
}

void sweep_cgroups() {
  if (is_unified()) {
    std::string missing;
    std::string path = kMountPoint + own_groups()[""];
    for (; path.size() > std::string_view(kMountPoint).size(); path.resize(path.rfind('/')))
      sweep(path + "/torte", "");
    sweep(std::string(kMountPoint) + "/torte", "");
    return;
  }
  for (const auto& [controller, group] : own_groups())
    if (!controller.empty()) sweep(base::str(kMountPoint, '/', controller, group), kSeparatePrefix);
}

}  // namespace launch
