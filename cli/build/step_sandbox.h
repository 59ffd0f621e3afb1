#pragma once

#include <vector>

#include "builder/solve/solver.h"
#include "cli/options.h"

namespace cli {

/// The flags of build that say what RUN steps may do and use, for the command table.
std::vector<Flag> step_sandbox_flags();

/// What they say. Throws UsageError, and Unsupported for what steps cannot have.
solve::Sandbox parse_step_sandbox(const Arguments& arguments);

/// The arguments with each --resource NAME=VALUE as the flag --NAME VALUE that it stands for.
/// Throws UsageError for another name, or where that flag is there too.
Arguments with_resources(const Arguments& arguments);

}  // namespace cli
