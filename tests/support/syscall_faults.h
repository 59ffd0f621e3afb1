#pragma once

#include <functional>
#include <string>

namespace support {

/// What happens to one chosen mutating system call of a program under test.
enum class Fault {
  kKill,   ///< SIGKILL instead of the call
  kError,  ///< the call fails with `error_number` and is not made
};

struct FaultResult {
  int exit_status = 0;    ///< of the child; 128 + signal when killed
  size_t calls = 0;       ///< mutating calls that were seen
  std::string last_call;  ///< the name of the call the fault was put in, "" if none
};

/// Runs `work` in a forked child (its return value is the exit status) and counts its calls that
/// change files: open for writing, write, rename, link, unlink, mkdir, fsync, syncfs, ftruncate ...
/// The call number `at` (from 1; 0: none) meets the fault. Needs seccomp user notification; works
/// without privileges. The child should be single-threaded.
FaultResult run_with_fault(const std::function<int()>& work, size_t at, Fault fault,
                           int error_number = 0);

}  // namespace support
