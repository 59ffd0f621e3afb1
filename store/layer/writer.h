#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/sys/root.h"

namespace layer {

struct WriteOptions {
  /// Modification times above this are lowered to it (SOURCE_DATE_EPOCH), in seconds.
  std::optional<int64_t> clamp_mtime;
  /// Every modification time is this, in seconds.
  std::optional<int64_t> fixed_mtime = {};
  /// The tree is a plain directory tree (a merged view): no whiteouts, character devices 0:0
  /// refused.
  bool plain = false;
  std::stop_token stop;
  /// What the holes of all files may come to: a tar says every byte of them.
  uint64_t hole_bytes = UINT64_MAX;
};

/// For layers that somebody's program or archive makes: a file of a terabyte costs it nothing, and
/// us hours of hashing.
inline constexpr uint64_t kMostHoleBytes = uint64_t{64} << 30;

struct WriteResult {
  uint64_t entries = 0;
  uint64_t tar_bytes = 0;
  uint64_t content_bytes = 0;
  /// What a layer cannot say and was left out: sockets, files whose own name begins with ".wh.".
  /// Paths as bytes, at most 100 of them.
  std::vector<std::string> skipped;
};

/// Writes the canonical tar of a tree in overlay's form (or a plain one): a pure function of the
/// tree, so the same tree always has the same diff id.
///
/// - Pre-order; in each directory first the opaque marker, then names sorted by their bytes, the
///   whiteout of x in the place of x. No "./" entry unless the root's mode, owner or
///   attributes are not 0755, 0:0, none.
/// - ustar headers; a pax header only for what does not fit (long names, ids above 2097151, sizes
///   from 8 GiB, attributes, times before 1970), records sorted, no name, time or process id in it.
/// - mtime in whole seconds (as the reference: sub-second times would need a pax header for nearly
///   every file); no atime, ctime or user names. Of hard links the first path is the file.
/// - Attributes: all but overlay's, torte's own, SELinux labels and IMA/EVM (they belong to a
/// host).
///   kDeviceXattr and kOwnerXattr are turned back into what they stand for.
/// - Two zero blocks at the end, no further padding.
///
/// Throws Unsupported for overlay redirects and metacopies (the tree does not hold all its
/// content) and above hole_bytes (id "layer-holes"), Unavailable when a file changes while it is
/// read, Cancelled, SystemError. Any depth of tree. [design, Decided 3; spec: performance 2.2]
WriteResult write_tree(const sys::Root& tree, base::Sink& out, const WriteOptions& options = {});

}  // namespace layer
