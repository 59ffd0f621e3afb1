#pragma once

#include <set>
#include <string>

#include "cli/history/build_record.h"

namespace cli {

/// Steps that decided how long the build took: from the one that ended last back to the beginning,
/// each time the step it needs that ended last.
std::set<int> critical_path(const BuildRecord& record);

/// The build over time as SVG: lanes of steps that ran at once, before them their waiting, and
/// below them transfers and other work. Empty for a record without times.
std::string timeline_svg(const BuildRecord& record);

/// The steps and what they need as SVG: a column a stage, a row a distance from the beginning.
std::string graph_svg(const BuildRecord& record);

}  // namespace cli
