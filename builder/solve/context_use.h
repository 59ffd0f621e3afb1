#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "builder/plan/plan.h"
#include "builder/solve/solver.h"

namespace solve {

/// How much of the build context the steps of a plan ask for. torte reads nothing else of it, but
/// others send all of it first. [check LargeContextUnused]
struct ContextUse {
  struct Entry {
    std::string path;
    uint64_t bytes = 0;
  };
  uint64_t bytes = 0;         ///< of all files that the ignore file leaves
  uint64_t used_bytes = 0;    ///< of those that a COPY, ADD or bind mount names
  std::vector<Entry> unused;  ///< entries at the top, the largest first, of which nothing is used
};

/// Walks the whole context. Sources that are not there are passed over.
ContextUse measure_context(const plan::Plan& plan, const Options& options, store::Store& store);

}  // namespace solve
