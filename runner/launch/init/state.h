#pragma once

#include "runner/launch/init/operations.h"

namespace launch::init {

/// What operations share: the open descriptors and the socket to torte.
struct State {
  const wire::PlanHeader* plan = nullptr;
  int status_socket = -1;
  int slots[wire::kMaxSlots] = {};
};

/// Each returns 0 or a negative errno. `text` is the operation's text, NUL-ended where it is
/// strings.
long do_mount_operation(State& state, const wire::Operation& op, const char* text);
long do_process_operation(State& state, const wire::Operation& op, const char* text);
/// Returns only on failure.
long execute(const wire::Operation& op, const char* text);

/// Tells torte; failures are ignored, the end of the socket says enough.
void report(const State& state, const wire::Status& status, int fd = -1);

}  // namespace launch::init
