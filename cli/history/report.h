#pragma once

#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "cli/history/build_record.h"
#include "cli/history/explanation.h"

namespace cli {

/// Writes the build as one HTML page that asks nothing of any network: summary, error, timeline,
/// graph, steps with the reason of each, layers, inputs and the logs of `build`, the directory of
/// its record. Without scripts everything but the logs is readable. `why` has all steps.
/// [spec/ux.md 6]
void write_report(const BuildRecord& record, const std::vector<Explanation>& why,
                  const std::filesystem::path& build, base::Sink& out);

}  // namespace cli
