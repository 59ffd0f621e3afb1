#pragma once

#include <functional>

#include "runner/container/containers.h"
#include "runner/launch/terminal.h"

namespace container {

/// How a monitor is connected to the world.
struct MonitorOptions {
  /// The program's streams are these, as they are: nothing is logged and nobody can attach. Else
  /// they are the monitor's, which logs them and serves those who attach.
  bool pass_through = false;
  int stdin_fd = -1;  ///< with pass_through; -1 is /dev/null
  int stdout_fd = 1;
  int stderr_fd = 2;
  /// --preserve-fds: so many descriptors of this process, from 3 on, are the program's too.
  int further_fds = 0;
  /// One end of a pair of packet sockets, attached from the first moment.
  sys::UniqueFd owner;
  /// Told once, when the program runs for the first time; with a line about what was not possible,
  /// or "".
  std::function<void(const std::string& warning)> started = [](const std::string&) {};
  /// The program waits until somebody asks for its start (control.h).
  bool held = false;
  /// In the foreground signals are the program's; else TERM stops the container as `torte stop`
  /// does.
  bool foreground = false;
  const launch::ForwardedSignals* signals = nullptr;
};

/// Starts a container and stays with it: serves its control socket, writes log and state, probes
/// its health, starts it again where its policy says so, removes it at the end where that was
/// asked. The calling thread must be the one that lives longest: the program dies with it. Returns
/// the program's last status (the shell's number). Throws what kept it from starting; the record
/// then says so too.
int monitor(Containers& containers, Claim claim, MonitorOptions options);

}  // namespace container
