#pragma once

#include <string>
#include <vector>

#include "base/events.h"
#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "cli/build/build_outputs.h"
#include "cli/history/build_record.h"
#include "store/store.h"

namespace cli {

/// The steps of a plan as they are announced, stage by stage in the order of need. `offset` is
/// added to their numbers; with `names_platform` the stages of several platforms are told apart.
std::vector<base::event::StepPlanned> planned_steps(const plan::Plan& plan, int offset,
                                                    bool names_platform);

/// The layers of an image that came of a plan, with the step that made each, unless they were
/// squashed.
std::vector<LayerRecord> layers_of(const plan::Plan& plan, const BuiltImage& image,
                                   store::Store& store);

/// What the steps of a plan use of the build context. Walks all of it.
ContextUseRecord context_use(const plan::Plan& plan, const solve::Options& options,
                             store::Store& store);

}  // namespace cli
