#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "runner/launch/launch.h"
#include "runner/launch/sandbox.h"

namespace launch {

/// The control groups of one container: one directory on cgroup v2, one for each controller in use
/// on v1. Removed at the end of life; by then no process may be left in them. Move-only.
class Cgroup {
 public:
  /// Makes the groups and writes the limits. Throws Unsupported, naming the controller, for a limit
  /// that cannot be applied here. `for_program`: the container is put into a group below, whose own
  /// groups its program may make (v2 only); the limits are out of its reach.
  Cgroup(const Limits& limits, bool with_freezer, bool for_program = false);
  /// The groups of a running container, to put another process into; never removed.
  static std::unique_ptr<Cgroup> of_container(int pidfd);
  /// Whether this process could limit `controller` ("pids") at all.
  static bool available(const std::string& controller);
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  ~Cgroup();

  /// v2: the directory for CLONE_INTO_CGROUP; -1 on v1.
  int clone_directory() const { return inner_ ? inner_.get() : unified_.get(); }
  /// v1: a process must be moved in by attach().
  bool needs_attach() const { return !unified_ && !directories_.empty(); }
  /// v1: moves a process in. Waits for the kernel, up to some milliseconds.
  void attach(pid_t pid);
  void freeze(bool frozen);
  /// Writes the limits that are set. Throws Unsupported, naming the controller.
  void apply(const Limits& limits);
  /// The kernel's count of processes killed for want of memory.
  uint64_t memory_kills() const;
  /// Kills whatever is left inside.
  void kill_all();
  /// Where the groups are, to be noted by those who outlive us.
  const std::vector<std::string>& directories() const { return directories_; }

 private:
  Cgroup() = default;
  void make_unified(const std::vector<std::string>& controllers);
  void make_separate(const std::vector<std::string>& controllers);
  std::string directory_of(const std::string& controller) const;
  void make_directory(const std::string& directory, const std::string& controller);
  void make_inner();
  void remove();

  bool owned_ = true;
  std::vector<std::string> directories_;
  /// Locked while we live: whoever finds a group of torte's unlocked may take it away.
  std::vector<sys::UniqueFd> locks_;
  sys::UniqueFd unified_;
  sys::UniqueFd inner_;
};

/// Removes the groups of torte processes that were killed, with whatever is left in them. Cheap;
/// done before a group is made, and by commands that look after containers.
void sweep_cgroups();

/// The pids limit of every container, when nothing was asked.
inline constexpr uint64_t kDefaultPids = 2048;

/// Where the kernel keeps the highest process number. From Linux 6.14 on it belongs to the pid
/// namespace of the reader: then it limits the processes of a container without any cgroup.
inline constexpr const char* kPidMaxPath = "/proc/sys/kernel/pid_max";
/// Smaller values are refused there.
inline constexpr uint64_t kSmallestPidMax = 512;

}  // namespace launch
