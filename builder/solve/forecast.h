#pragma once

#include <map>

#include "builder/plan/plan.h"
#include "builder/solve/solver.h"

namespace solve {

/// What would become of a step if the plan were built now.
enum class Prediction {
  kCached,
  kRuns,     ///< unless what it starts from comes out as it was before (early cut-off)
  kUnknown,  ///< its inputs are not here: a base image, something to be fetched
};

/// By Step::number. Reads the context as a build does, and makes nothing.
std::map<int, Prediction> forecast(const plan::Plan& plan, const Options& options, store::Store& store);

}  // namespace solve
