#pragma once

#include "cli/context.h"
#include "cli/options.h"

namespace cli {

/// One `torte build`: reads the recipe, plans it for each platform, fetches what lies elsewhere,
/// solves, finishes and writes the outputs. Returns the exit status; throws what went wrong.
int run_build(Context& context, const Arguments& arguments);

}  // namespace cli
