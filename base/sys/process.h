#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/fd.h"

namespace sys {

/// How a process ended.
struct ExitStatus {
  int code = 0;    ///< exit code, meaningful when signal is 0
  int signal = 0;  ///< signal that ended it, or 0
  /// The shell's number: code, or 128 + signal.
  int shell_status() const { return signal != 0 ? 128 + signal : code; }
};

/// Owns a child through a pidfd. Dropping it kills and reaps the child. Move-only.
class Process {
 public:
  Process() = default;
  Process(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }
  /// Readable (poll) when the process has ended.
  int pidfd() const { return pidfd_.get(); }
  void signal(int number) const;
  /// Waits for the end and reaps. Once.
  ExitStatus wait();
  bool running() const { return pid_ > 0; }

 private:
  void abandon();
  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

/// Runs a host program (argv[0] looked up in PATH) with no input and returns its status; its output
/// goes to `output` when given, else to ours. For newuidmap and the like. Throws SystemError when it
/// cannot be started.
ExitStatus run_program(const std::vector<std::string>& argv, std::string* output = nullptr);
/// Runs a host program on `input` and gives what it wrote to standard output, at most 1 MiB; its
/// errors go to ours. For credential helpers. Throws SystemError when it cannot be started.
ExitStatus run_filter(const std::vector<std::string>& argv, std::string_view input,
                      std::string& output);

}  // namespace sys
