#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "base/sys/root.h"

namespace layer {

/// Goes through a tree in pre-order, names sorted by their bytes, by descriptors alone, whatever
/// the depth. Internal to the room.
///
///   TreeWalk walk(root);
///   while (const TreeWalk::Item* item = walk.next()) ...
class TreeWalk {
 public:
  struct Item {
    std::string path;     ///< "a/b", relative to the tree's root
    std::string name;     ///< "b"
    int directory = -1;   ///< where it is
    struct stat st = {};  ///< of the thing itself
    sys::UniqueFd fd;     ///< open for reading when it is a directory
    bool is_whiteout() const { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }
    bool is_directory() const { return S_ISDIR(st.st_mode); }
  };

  /// `tree` must outlive the walk.
  explicit TreeWalk(const sys::Root& tree);

  /// The next item, valid until the next call; nullptr at the end. Its descriptors are the walk's.
  const Item* next();
  /// Does not enter the directory that was given last.
  void skip() { enter_ = false; }

 private:
  struct Level {
    sys::UniqueFd fd;                // closed while far above the current level
    std::vector<std::string> names;  // reversed
    size_t path_size = 0;
    dev_t device = 0;
    ino_t inode = 0;
  };
  void push(sys::UniqueFd fd, const struct stat& st);
  void pop();

  std::vector<Level> levels_;
  Item item_;
  bool enter_ = false;
};

/// Opens a regular file for reading, without touching its access time where that is allowed.
sys::UniqueFd open_for_reading(int directory, const char* name);

}  // namespace layer
