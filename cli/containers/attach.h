#pragma once

#include <optional>
#include <string>

#include "cli/context.h"
#include "runner/container/control.h"
#include "runner/launch/terminal.h"

namespace cli {

struct AttachOptions {
  bool input = false;  ///< our standard input is the program's
  bool tty = false;    ///< the container has a terminal: ours becomes raw, its size is passed on
  bool pass_signals = true;                   ///< signals we get are the program's
  std::string detach_keys = "ctrl-p,ctrl-q";  ///< only with a terminal; "" for none
};

/// Stays with a container through its monitor until it ends, and returns its status; nullopt when
/// the user typed the keys to leave, or the monitor went away without a word. `control` is attached
/// already. Throws UsageError for keys that are none.
std::optional<int> attend_monitor(Context& context, container::Control& control,
                                  const launch::ForwardedSignals& signals,
                                  const AttachOptions& options);

/// "ctrl-p,q" as the bytes a terminal sends. Throws UsageError.
std::string parse_detach_keys(const std::string& text);

}  // namespace cli
