#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/progress/build_state.h"
#include "cli/terminal.h"

namespace cli {

/// The rows of the live display (spec/ux.md 2): header, finished, failed and running steps with the
/// end of their output, transfers, waiting steps. At most height - 2 rows, each narrower than the
/// terminal. Room goes to running steps first, then to their output, then to failed steps, then to
/// the most recent finished ones; the others become one row. Needs a height of 3 at least.
std::vector<std::string> render_frame(const BuildState& state, const Terminal& terminal, Time now);

/// What stays when the display goes: failed steps with their last lines, warnings. Whole lines.
std::string render_remains(const BuildState& state, const Terminal& terminal, Time now);

}  // namespace cli
