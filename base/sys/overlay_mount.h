#pragma once

#include <string>
#include <vector>

#include "base/sys/fd.h"

namespace sys {

/// One overlayfs mount, as data. Descriptors are borrowed: directories, O_PATH is enough.
struct OverlayOptions {
  /// Read-only directories, the topmost first; 1 to 500.
  std::vector<int> lowers;
  /// Takes the changes; -1 makes the mount read-only.
  int upper = -1;
  /// An empty directory on the file system of `upper`, never used by another mount (a volatile
  /// mount leaves a mark in it that makes the kernel refuse it). Needed with `upper`.
  int work = -1;
  /// Nothing is flushed when the mount ends. For trees the caller syncs itself, or throws away.
  bool is_volatile = false;
  /// What mount tables show as the source; at most 255 bytes.
  std::string source = "overlay";
  /// Whiteouts and opaque marks are user.overlay.* instead of trusted.overlay.*: the only form that
  /// works in a user namespace.
  bool userxattr = false;
  /// A user namespace whose ids every layer is shown with (map_mount_ids), and the ids that its
  /// root has where we are; -1: as they are on disk. `upper` and `work` must be in one directory.
  int id_map = -1;
  uint32_t id_map_uid = 0, id_map_gid = 0;
};

/// How the layers are named to the kernel; the best one is found by trying. The others are what
/// older kernels need, and for tests.
enum class OverlayMethod {
  kBest,
  kOneText,           ///< all in one value: some 13 layers
  kShortNames,        ///< the same with names of a few bytes: some 60
  kPrivateNamespace,  ///< the old mount(2) in a mount namespace of its own: 500
};

/// Mounts an overlay that is attached nowhere and returns its root directory: usable with openat2
/// as it is, attachable once (attach_mount), gone when the last descriptor and attachment are. The
/// host's mount table is never touched. index, metacopy and nfs_export are off and redirects are
/// not followed, whatever the kernel's defaults. Throws SystemError; Invalid for more than 500
/// lowers. Any thread. [spec/security.md 8 "Overlay"; spec/performance.md 2.1]
UniqueFd mount_overlay(const OverlayOptions& options, OverlayMethod method = OverlayMethod::kBest);

}  // namespace sys
