#pragma once

#include <span>
#include <string>

#include "cli/context.h"
#include "cli/options.h"

namespace cli {

/// Parses the line, runs the command, prints what it threw, returns the exit status (spec/cli.md
/// G4): 2 for wrong usage, the command's failure status for errors, 130 when cancelled. `words`
/// excludes the program's name. Never throws.
int dispatch(const CommandTable& table, Context& context, std::span<const std::string> words);

}  // namespace cli
