#pragma once

#include <map>
#include <string>
#include <vector>

#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "builder/solve/sources.h"

namespace solve {

/// What would become of a step if the plan were built now.
enum class Prediction {
  kCached,
  kRuns,     ///< unless what it starts from comes out as it was before (early cut-off)
  kUnknown,  ///< its inputs are not here: a base image, something to be fetched
};

/// By Step::number. Reads the context as a build does, and makes nothing.
std::map<int, Prediction> forecast(const plan::Plan& plan, const Options& options,
                                   store::Store& store);

/// Keys of the steps that the store does not remember, in the order of the plan, as far as they can
/// be known: what is wrong with a step the build itself says. `sources` are those of the build,
/// which then finds the context read already.
std::vector<std::string> list_missing_keys(const plan::Plan& plan, const Options& options,
                                           store::Store& store, Sources& sources);

}  // namespace solve
