#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

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

/// The keys that leave a program alone, found in what is typed.
class DetachKeys {
 public:
  /// `keys`: the bytes a terminal sends for them; empty: none.
  explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}
  /// Appends to `program` what is meant for the program. True when the last key was typed.
  bool feed(std::string_view typed, std::string& program);

 private:
  std::string keys_;
  size_t matched_ = 0;
};

struct Attendance {
  int input = 0;                 ///< copied to the container's terminal; -1 for none
  int output = 1;                ///< what the container's terminal shows goes here
  std::string detach_keys = {};  ///< as DetachKeys has them; empty: none
};

/// Stays with a container in the foreground until it ends: passes signals on, and, when it has a
/// terminal, copies bytes both ways and follows the size of ours. The caller puts its own terminal
/// into raw mode. Returns how the container ended, nullopt when the keys to leave were typed.
/// [spec/cli.md 4 "-it"]
std::optional<sys::ExitStatus> attend(Container& container, const ForwardedSignals& signals,
                                      const Attendance& attendance);

/// Lets go of a program whose terminal we hold: a process of its own keeps the other side open, and
/// reads what is written to it, until the program ends. Spec::die_with_caller must be off.
void leave_with_terminal(Container container);

}  // namespace launch
