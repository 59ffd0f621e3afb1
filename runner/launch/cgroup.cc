#include "runner/launch/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
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
    auto quota = static_cast<uint64_t>(*limits.cpus * kPeriodMicroseconds);
    std::string value = std::to_string(std::max<uint64_t>(quota, 1000));
    add({"cpu", "cpu.cfs_quota_us", value, "cpu.max", base::str(value, ' ', kPeriodMicroseconds)});
  }
  if (limits.cpu_shares)
    add({"cpu", "cpu.shares", std::to_string(*limits.cpu_shares), "cpu.weight",
         std::to_string(weight_of_shares(*limits.cpu_shares))});
  return settings;
}

bool is_unified() {
  struct statfs status;
  return ::statfs(kMountPoint, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
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
  throw base::Error(base::Code::kNotFound, "the container is not running");
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

Cgroup::Cgroup(const Limits& limits, bool with_freezer) {
  std::vector<Setting> settings = settings_of(limits);
  std::vector<std::string> controllers = controllers_of(settings);
  try {
    if (is_unified()) {
      make_unified(controllers);
      for (const Setting& setting : settings)
        if (!write_file(directories_[0] + "/" + setting.v2_file, setting.v2_value))
          fail(setting.controller, "writing " + setting.v2_file + " failed");
    } else {
      // On v2 freezing is no controller.
      if (with_freezer) controllers.push_back("freezer");
      make_separate(controllers);
      for (const Setting& setting : settings)
        if (!write_file(directory_of(setting.controller) + "/" + setting.v1_file, setting.v1_value))
          fail(setting.controller, "writing " + setting.v1_file + " failed");
    }
  } catch (...) {
    remove();  // no destructor runs
    throw;
  }
}

void Cgroup::make_unified(const std::vector<std::string>& controllers) {
  std::string missing;
  std::optional<std::string> parent = unified_parent(controllers, missing);
  if (!parent) fail(missing.empty() ? "processes" : missing, "the controller is not ours to use");
  std::string directory = *parent + "/" + unique_name();
  if (::mkdir(directory.c_str(), 0755) < 0) base::throw_errno("create cgroup");
  directories_.push_back(directory);
  unified_ = sys::UniqueFd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!unified_) base::throw_errno("open cgroup");
}

void Cgroup::make_separate(const std::vector<std::string>& controllers) {
  std::map<std::string, std::string> own = own_groups();
  std::string name = unique_name();
  for (const std::string& controller : controllers) {
    std::string directory = base::str(kMountPoint, '/', controller, own[controller]);
    if (directory.back() != '/') directory += '/';
    directory += "torte-" + name;
    if (own.count(controller) == 0 || ::mkdir(directory.c_str(), 0755) < 0)
      fail(controller, "the controller is not ours to use");
    directories_.push_back(directory);
  }
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
  for (const char* controller : {"pids", "memory", "cpu"})
    if (its[controller] != own[controller])
      cgroup->directories_.push_back(base::str(kMountPoint, '/', controller, its[controller]));
  return cgroup;
}

Cgroup::~Cgroup() {
  if (owned_) remove();
}

void Cgroup::remove() {
  unified_.reset();
  for (const std::string& directory : directories_) {
    // The last process may still be on its way out.
    for (int tries = 0; tries < 100; ++tries) {
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
      throw base::Error(base::Code::kUnsupported, "pausing needs the freezer controller");
    done = write_file(freezer + "/freezer.state", frozen ? "FROZEN" : "THAWED");
  }
  if (!done) base::throw_errno("freeze container");
}

void Cgroup::kill_all() {
  if (unified_) {
    write_file(directories_[0] + "/cgroup.kill", "1");
    return;
  }
  if (directories_.empty()) return;
  // New ones may be born while we read; the pid namespace's end has usually left none at all.
  for (int tries = 0; tries < 100; ++tries) {
    std::istringstream list(
        sys::find_user_file(directories_[0] + "/cgroup.procs", kMaxFile).value_or(""));
    pid_t pid = 0;
    bool any = false;
    while (list >> pid) any = ::kill(pid, SIGKILL) == 0 || any;
    if (!any) return;
  }
}

}  // namespace launch
