#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/sys/root.h"
#include "store/layer/limits.h"

namespace layer {

/// Gives the merged view of the layers below, or nullptr when there are none. Called at most once,
/// when first needed (a parent directory without an entry, a hard link to a file of a lower layer),
/// so layers can be unpacked in parallel and the few that need it wait. The Root stays the
/// callee's.
using LowerView = std::function<const sys::Root*()>;

/// Names of the attributes that stand for what an ordinary user cannot make.
/// "c:1:3" or "b:8:0" on an empty regular file: a device node.
inline constexpr const char* kDeviceXattr = "user.torte.device";
/// "uid:gid": the owner, where only one id can be used (ExtractOptions::single_id).
inline constexpr const char* kOwnerXattr = "user.torte.owner";
/// True for attributes that a layer must not set: overlayfs would obey them, or torte itself.
bool is_reserved_xattr(std::string_view name);

struct ExtractOptions {
  Limits limits;
  /// Merged view of the layers below; empty: none, the tree depends on the tar alone.
  LowerView lower;
  /// Opaque directories get user.overlay.opaque instead of trusted.overlay.opaque (overlay mounted
  /// with userxattr, that is, in a user namespace).
  bool user_xattr = false;
  /// Every file belongs to the caller; other owners are kept in kOwnerXattr (not for symbolic links
  /// and fifos: the kernel allows no user attributes there).
  bool single_id = false;
  /// Stop with ENOSPC when less than this is free; looked at every 64 MiB.
  uint64_t keep_free_bytes = 16 << 20;
  /// Looked at for every member; ends with Cancelled.
  std::stop_token stop;
};

struct ExtractResult {
  uint64_t entries = 0;        ///< members read
  uint64_t content_bytes = 0;  ///< of all members, holes included
  uint64_t disk_bytes = 0;     ///< about what all of it takes on the disk
  /// The layer hides everything below it (overlayfs ignores an opaque root: the layers below must
  /// be left out of the mount). The root directory carries the opaque attribute too.
  bool opaque_root = false;
  /// The archive had an entry for the root directory itself: its metadata is the layer's.
  bool root_entry = false;
  /// Something depended on `lower` (a parent without an entry, a hard link into a lower layer): the
  /// tree is right only on top of the same layers, or of none if there were none.
  bool depends_on_lower = false;
  /// Attributes left out: overlay's own, torte's own, and those the file system or kernel refused.
  uint64_t dropped_xattrs = 0;
  /// Directories made for members whose parents had no entry yet.
  uint64_t implied_directories = 0;
};

/// Unpacks an OCI layer (an uncompressed tar) into the empty directory `destination`, in overlay's
/// own form: a whiteout becomes a character device 0:0, an opaque marker an attribute. Whiteouts
/// hide lower layers only, wherever they stand in the tar; of several entries for one name the last
/// wins. Reads `tar` to its end, so a hash or checksum beside it is complete.
/// Nobody else may reach `destination` meanwhile (0700 staging). On an exception the tree is
/// partial and the caller removes it. Throws Invalid (message names member and rule), Corrupt,
/// Unsupported (an owner the user namespace cannot map), Cancelled, SystemError. [OCI image-spec
/// layer.md; spec: security 3]
ExtractResult extract(base::Source& tar, const sys::Root& destination,
                      const ExtractOptions& options = {});

struct ArchiveOptions {
  Limits limits;
  /// Owner of everything (ADD --chown), else the archive's own.
  std::optional<std::pair<uint32_t, uint32_t>> owner;
  /// Permission bits of everything that is not a link (ADD --chmod).
  std::optional<uint32_t> mode;
  bool single_id = false;
  uint64_t keep_free_bytes = 16 << 20;
  std::stop_token stop;
};

/// Unpacks a user's archive, perhaps compressed, into the existing directory `destination`, merging
/// with what is there: directories stay, anything else is replaced. No whiteout meaning. Links are
/// followed only inside `destination`. What follows the end of the archive is not looked at.
/// `destination` is usually a directory of a detached overlay. Same exceptions as extract().
/// [spec: dockerfile 7.8; the reference's unpacking]
ExtractResult extract_archive(base::Source& archive, const sys::Root& destination,
                              const ArchiveOptions& options = {});

}  // namespace layer
