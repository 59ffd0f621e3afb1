#pragma once

#include <string>
#include <vector>

#include "base/sys/root.h"

namespace layer {

/// One line of `torte diff`.
struct Change {
  char kind = 'C';   ///< 'A' added, 'C' changed, 'D' deleted
  std::string path;  ///< absolute, bytes
  bool operator==(const Change&) const = default;
};

/// What a tree in overlay's form changes in `lower`, the merged view of everything below it, sorted
/// by path. A directory counts as changed when its metadata differ or something below it changed.
/// nullptr: nothing below.
std::vector<Change> list_changes(const sys::Root& tree, const sys::Root* lower);

}  // namespace layer
