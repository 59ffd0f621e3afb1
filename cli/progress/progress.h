#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/events.h"
#include "cli/terminal.h"

/// Progress: readers of the event stream of base/events.h (spec/ux.md 2 and 3).
///
///     events ──▶ TtyView    redraws rows on a terminal
///            ├─▶ PlainView  lines, each step's together
///            ├─▶ JsonView   one object per event (docs/progress-json.md)
///            └─▶ QuietView  nothing, unless a step fails
namespace cli {

enum class ProgressMode { kAuto, kTty, kPlain, kJson, kQuiet };

/// "auto", "tty", "plain", "json", "quiet".
std::optional<ProgressMode> parse_progress_mode(std::string_view text);

struct ProgressOptions {
  Terminal terminal;
  ColorMode color = ColorMode::kAuto;
  std::string details;  ///< a command that shows more, named in the last line; may be empty
  const char* (*getenv)(const char*) = nullptr;  ///< for CI group markers and terminal features
};

/// The view of `mode` on `fd`, which is borrowed; kAuto is tty on a terminal and plain elsewhere.
/// Every view shows the last lines of a step that fails. The sink may be used from any thread; its
/// destructor stops its own thread and leaves the terminal in order.
std::unique_ptr<base::EventSink> make_progress(ProgressMode mode, int fd,
                                               const ProgressOptions& options);

}  // namespace cli
