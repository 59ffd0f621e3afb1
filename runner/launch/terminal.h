#pragma once

#include <csignal>
#include <memory>
#include <optional>

#include "base/sys/fd.h"
#include "runner/launch/launch.h"

namespace launch {

/// Puts a terminal into raw mode and back at the end.
class RawTerminal {
 public:
  /// `fd` is borrowed; when it is no terminal nothing happens.
  explicit RawTerminal(int fd);
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  struct Settings;
  int fd_;
  std::unique_ptr<Settings> before_;
};

struct TerminalSize {
  unsigned short rows = 0;
  unsigned short columns = 0;
};
/// Size of the terminal `fd`, nullopt when it is none.
std::optional<TerminalSize> terminal_size(int fd);

/// Takes the signals a foreground program should hear (INT, TERM, HUP, QUIT, USR1, USR2, CONT,
/// ALRM, WINCH) from this process, so that attend() can pass them on. To be made before other
/// threads are started: they inherit what is blocked. The destructor gives the signals back.
class ForwardedSignals {
 public:
  ForwardedSignals();
  ForwardedSignals(const ForwardedSignals&) = delete;
  ForwardedSignals& operator=(const ForwardedSignals&) = delete;
  ~ForwardedSignals();
  int fd() const { return fd_.get(); }

 private:
  sigset_t before_;
  sys::UniqueFd fd_;
};

struct Attendance {
  int input = 0;   ///< copied to the container's terminal; -1 for none
  int output = 1;  ///< what the container's terminal shows goes here
};

/// Stays with a container in the foreground until it ends: passes signals on, and, when it has a
/// terminal, copies bytes both ways and follows the size of ours. The caller puts its own terminal
/// into raw mode. Returns how the container ended. [spec/cli.md 4 "-it"]
sys::ExitStatus attend(Container& container, const ForwardedSignals& signals,
                       const Attendance& attendance);

}  // namespace launch
