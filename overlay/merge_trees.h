#pragma once

#include <cstdint>
#include <optional>

#include "overlay/snapshot.h"

namespace overlay {

struct MergeOptions {
  /// Later modification times are lowered to this, in seconds (SOURCE_DATE_EPOCH).
  std::optional<int64_t> latest_mtime;
  /// The result stands on other layers: what hides their files is kept. False: nothing is below it.
  bool keep_whiteouts = true;
};

/// Makes one layer tree that means the same as `trees` above each other, lowest first. Files are
/// linked to the ones there, not copied, unless their time changes. The trees stay as they are;
/// they must lie on the store's file system. Throws SystemError.
TreePtr merge_trees(store::Store& store, const Stack& trees, const MergeOptions& options);

}  // namespace overlay
