#pragma once

#include <vector>

#include "builder/plan/plan.h"
#include "cli/options.h"

namespace cli {

/// --volume and --mount of build, for the command table.
std::vector<Flag> build_mount_flags();

/// What they give to every RUN: directories and files of this machine, empty directories in memory,
/// and caches. Throws UsageError naming the flag, NotFound for a source that is not there.
std::vector<plan::Mount> parse_build_mounts(const Arguments& arguments);

}  // namespace cli
