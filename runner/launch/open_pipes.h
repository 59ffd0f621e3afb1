#pragma once

#include "base/sys/fd.h"
#include "runner/launch/launch.h"
#include "runner/launch/terminal.h"

namespace launch {

/// Pipes between our streams and a program that is somebody else than we are. It may open
/// /dev/stdout anew, which it could not if that were a pipe or file of ours: these are open to
/// whoever it is, and only its own processes find them.
class OpenPipes {
 public:
  /// Puts them into the Spec in the place of its streams, which stay those that are copied from and
  /// to (stdin_fd -1: none).
  explicit OpenPipes(Spec& spec);

  /// Stays with the program until it ends, copying bytes and passing signals on. What others of its
  /// processes write later goes nowhere. Returns how it ended.
  sys::ExitStatus attend(Container& container, const ForwardedSignals& signals);

 private:
  void read_input();
  void write_input();
  /// False when there is nothing to read now.
  bool copy_output(size_t stream);

  int input_ = -1;
  int outputs_[2];
  sys::Pipe in_, out_[2];
  std::string pending_;
};

}  // namespace launch
