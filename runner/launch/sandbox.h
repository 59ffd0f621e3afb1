#pragma once

#include "runner/launch/launch.h"
#include "runner/launch/plan.h"

namespace launch {

/// Descriptors that a plan refers to and that must stay open until the launch is over.
struct Held {
  std::vector<sys::UniqueFd> fds;
  int hold(sys::UniqueFd fd) {
    fds.push_back(std::move(fd));
    return fds.back().get();
  }
};

/// What the cgroup part of a launch asks of the launcher.
struct CgroupDemands {
  bool wait_for_parent = false;  ///< torte attaches the process itself, then sends a byte
  uint64_t unshared = 0;   ///< CLONE_NEW*: namespaces that the launcher makes itself, after that
  bool split_off = false;  ///< it must become a process of the pid namespace it made or joined
  uint64_t pid_max = 0;    ///< limit of the pid namespace's numbers; 0: leave it
  /// Check first that the limit is the namespace's own (an O_PATH descriptor of the host's
  /// pid_max); -1: known already.
  int pid_max_file = -1;
  uint64_t process_rlimit = 0;  ///< RLIMIT_NPROC; 0: leave it
};

/// The sandbox of spec/security.md 5 as a plan: what to mount, hide, drop and load, in order, for
/// the program of `spec` on the detached mount `root_fd`. Does nothing to the machine but clone
/// mounts.
Plan plan_sandbox(const Spec& spec, int root_fd, const CgroupDemands& cgroup, Held& held);

/// The plan of a process that joins the namespaces of the container whose process `target` (a
/// pidfd) is. Of `spec` counts what describes the process: arguments, user, rights, terminal,
/// limits.
Plan plan_join(const Spec& spec, int target, const CgroupDemands& cgroup);

}  // namespace launch
