#include "builder/plan/plan.h"

#include "builder/plan/planner.h"

namespace plan {

std::string Stage::label() const { return name.empty() ? std::to_string(index) : name; }

Plan make_plan(const dockerfile::Recipe& recipe, const Options& options, BaseImages& images) {
  return Planner(recipe, options, images).run();
}

}  // namespace plan
