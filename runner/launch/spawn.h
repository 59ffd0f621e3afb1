#pragma once

#include "base/sys/fd.h"
#include "base/sys/process.h"
#include "runner/launch/plan.h"

namespace launch {

/// What the new process starts with, besides its plan.
struct SpawnOptions {
  uint64_t namespaces = 0;  ///< CLONE_NEW*
  int cgroup = -1;          ///< directory of a v2 cgroup to be born in
  int stdio[3] = {-1, -1, -1};
};

/// The launcher at work. Its status socket ends when the program runs.
struct Spawned {
  sys::Process process;
  sys::UniqueFd status;
};

/// Starts the launcher on `plan`. The calling thread stops until the launcher's own execve, a
/// fraction of a millisecond; nothing of this process is copied, however large it is.
/// [spec/performance.md rule 6]
Spawned spawn(const Plan& plan, const SpawnOptions& options);

}  // namespace launch
