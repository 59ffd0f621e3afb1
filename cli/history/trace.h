#pragma once

#include <string>
#include <vector>

#include "cli/history/build_record.h"

namespace cli {

/// Something that takes time, on one of several lanes.
struct LaneSpan {
  double start = 0;
  double end = 0;
  size_t lane = 0;
};

/// Gives each span the first lane that is free by then. Spans are put into the order of their
/// beginnings. Returns the number of lanes.
size_t assign_lanes(std::vector<LaneSpan*> spans);

/// When the step took its place among those that run at once; its start where it needed none.
double work_start(const StepRecord& step);

/// The build as trace events, the JSON that chrome://tracing and Perfetto load: a lane for each
/// step that ran at once, the waiting of steps, transfers, and the rest of the build. Throws
/// NotFound (id "build-times-missing") for a record without times.
std::string chrome_trace(const BuildRecord& record);

}  // namespace cli
