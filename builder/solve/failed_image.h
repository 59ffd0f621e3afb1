#pragma once

#include <string>
#include <vector>

#include "builder/plan/plan.h"
#include "builder/solve/layers.h"
#include "builder/solve/results.h"
#include "store/store.h"

namespace solve {

/// Makes an image of what a failing step left, its layers bottom first, to be looked at with `torte
/// run`: a shell in the stage's configuration. Publishes the results below with it. Returns its
/// name.
std::string make_failed_image(store::Store& store, Results& results, const plan::Stage& stage,
                              const std::vector<LayerPtr>& layers);

}  // namespace solve
