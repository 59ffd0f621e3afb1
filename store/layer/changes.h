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

/// What has to change in one merged view to get another, sorted by path. Files are the same when
/// their metadata and bytes are; times count for files, not for directories, which change theirs
/// with every name in them. Of a deleted directory only itself is listed, of a new one everything.
std::vector<Change> compare_trees(const sys::Root& from, const sys::Root& to);

}  // namespace layer
