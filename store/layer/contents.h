#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/root.h"
#include "store/layer/changes.h"

namespace layer {

/// A regular file of a layer; names of one file (hard links) count as the first of them.
struct SizedFile {
  std::string path;  ///< absolute, bytes
  uint64_t size_bytes = 0;
  bool hidden = false;  ///< every name of it is removed or replaced by a later layer
};

/// What the files of one layer take.
struct LayerContents {
  uint64_t file_bytes = 0;
  uint64_t hidden_bytes = 0;       ///< of them, in files that are hidden: carried along for nobody
  std::vector<SizedFile> largest;  ///< the largest first
};

/// Looks through trees in overlay's form, the lowest first, and keeps the `largest` files of each.
std::vector<LayerContents> measure_layers(const std::vector<sys::Root>& trees, size_t largest);

/// What a path is in one view.
struct PathState {
  char type = 'f';    ///< 'f' file, 'd' directory, 'l' link, '-' anything else
  uint32_t mode = 0;  ///< permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size_bytes = 0;  ///< of a file; of a directory that is deleted, of all files in it
};

struct DescribedChange {
  Change change;
  std::optional<PathState> before = {};
  std::optional<PathState> after = {};
};

/// The paths of list_changes() or compare_trees() as they were and as they are. `before`: the view
/// they were compared with, nullptr for none. `after`: the other view, or the tree that changes
/// things.
std::vector<DescribedChange> describe_changes(const std::vector<Change>& changes,
                                              const sys::Root* before, const sys::Root& after);

}  // namespace layer
