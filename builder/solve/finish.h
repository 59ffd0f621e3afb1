#pragma once

#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "store/store.h"

namespace solve {

/// What happens to a result before it becomes an image.
struct FinishOptions {
  enum class Squash { kNone, kNew, kAll };
  Squash squash = Squash::kNone;  ///< merge the layers of this build, or all layers, into one
  std::optional<int64_t>
      latest_mtime;                ///< later times in the layers of this build are lowered to it
  std::vector<std::string> names;  ///< normalised names for the image

  bool wants_anything() const { return squash != Squash::kNone || latest_mtime; }
};

/// Makes an image of a result that solve() was told to keep no image of. Layers of base images stay
/// untouched unless everything is squashed. What was rewritten is remembered, so that doing it
/// again costs nothing. Throws what the store and the trees throw.
Result finish(Result result, const FinishOptions& options, store::Store& store);

}  // namespace solve
