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
  /// No longer ours to kill and reap.
  void release() { pid_ = -1; }
  /// Waits for the end and reaps. Once.
  ExitStatus wait();
  bool running() const { return pid_ > 0; }

 private:
  void abandon();
  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

/// How start_program() starts.
struct StartOptions {
  /// Killed when the *thread* that started it ends, however it ends.
  bool die_with_thread = false;
  int output = -1;        ///< borrowed: its standard output and error; -1: /dev/null
  std::vector<int> keep;  ///< borrowed: descriptors it gets under the same numbers, above 2
};

/// Starts a host program (argv[0] looked up in PATH) with no input and returns while it runs.
/// Throws SystemError when it cannot be started. Dropping the Process kills it.
Process start_program(const std::vector<std::string>& argv, const StartOptions& options = {});

/// How start_companion() starts.
struct CompanionOptions {
  int output = -1;        ///< borrowed: its standard output and error; -1: /dev/null
  std::vector<int> keep;  ///< borrowed: descriptors it gets under the same numbers, above 2
};

/// A host program that never outlives us.
struct Companion {
  Process process;  ///< ends when the program does
  UniqueFd life;    ///< closing it, by our death if by nothing else, ends the program
};

/// Starts a host program (argv[0] looked up in PATH) with no input and returns while it runs. It is
/// put in a pid namespace of its own under a first process that watches `life`: the parent death
/// signal would be lost as soon as the program changes its credentials. Needs CAP_SYS_ADMIN. Throws
/// SystemError when it cannot be started.
Companion start_companion(const std::vector<std::string>& argv, const CompanionOptions& options);

/// The path of a program as PATH finds it; nullopt when it is not there.
std::optional<std::string> find_program(const std::string& name);

/// Runs a host program (argv[0] looked up in PATH) with no input and returns its status; its output
/// goes to `output` when given, else to ours. For newuidmap and the like. Throws SystemError when
/// it cannot be started. `environment` replaces ours.
ExitStatus run_program(const std::vector<std::string>& argv, std::string* output = nullptr,
                       const std::vector<std::string>* environment = nullptr);

/// Starts this very program again (whatever lies at its path by now) in a session of its own, with
/// nothing on its streams, or with `own_streams` ours, and the descriptors `keep` open under their
/// own numbers. `argv` includes argv[0]. Throws SystemError.
Process start_self(const std::vector<std::string>& argv, const std::vector<int>& keep,
                   bool own_streams = false);

/// Gives back the memory that this program's own code and constants take; what is used again is
/// read again from the page cache. For processes that wait most of their life.
void forget_program_pages();

/// A pidfd of any process; nullopt when it is gone.
std::optional<UniqueFd> open_process(pid_t pid);
/// Sends a signal; false when the process is gone. Throws SystemError.
bool signal_process(int pidfd, int number);
/// When a process was started, in the kernel's ticks since boot: with its number an identity.
/// nullopt when it is gone.
std::optional<uint64_t> start_of_process(pid_t pid);

/// Runs a host program on these streams (-1: /dev/null), with no signal blocked, and waits for it.
/// Throws SystemError when it cannot be started.
ExitStatus run_program_on(const std::vector<std::string>& argv, const int (&streams)[3]);

/// Runs a host program on `input` and gives what it wrote to standard output, at most 1 MiB; its
/// errors go to ours. For credential helpers. Throws SystemError when it cannot be started.
ExitStatus run_filter(const std::vector<std::string>& argv, std::string_view input,
                      std::string& output);

}  // namespace sys
