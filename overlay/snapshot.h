#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/root.h"
#include "overlay/target.h"
#include "store/oci/digest.h"
#include "store/store.h"

namespace overlay {

/// The life of a snapshot:
///
///     Stack base = open_stack(store, image.layers);      // read-only layers, the bottom one first
///     Active step(store, base);                          // + an empty writable layer
///     ... write below step.merged(), or run a program on step.upper() / step.make_work() ...
///     TreePtr layer = std::move(step).commit();          // the writable layer, as it is
///     base.push_back(layer);                             // is the top layer of the next step
///
/// Commit renames nothing and copies nothing; the tree stays in its staging directory until the
/// store publishes it under its diff id (store::Batch).

/// One immutable layer tree, in overlayfs's own form. Shared by stacks; thread-safe.
class Tree {
 public:
  Tree(std::filesystem::path path, std::shared_ptr<store::StagingDir> staging);

  /// O_PATH descriptor of the tree's directory; stays good when the tree is published.
  int fd() const { return fd_.get(); }
  /// Where the tree was when it was opened.
  const std::filesystem::path& path() const { return path_; }
  /// The staging directory that keeps an unpublished tree alive; null once published.
  const std::shared_ptr<store::StagingDir>& staging() const { return staging_; }
  ino_t inode() const { return inode_; }
  /// The whole layer hides what is below it. overlayfs does not look for that at the root, so the
  /// layers below must be left out of a mount.
  bool is_opaque() const { return opaque_; }

 private:
  ino_t inode_ = 0;
  bool opaque_ = false;
  std::filesystem::path path_;
  std::shared_ptr<store::StagingDir> staging_;
  sys::UniqueFd fd_;
};

using TreePtr = std::shared_ptr<const Tree>;
/// Layer trees, the bottom one first.
using Stack = std::vector<TreePtr>;

/// Opens the published trees of an image. Throws NotFound naming the layer that is missing.
Stack open_stack(const store::Store& store, const std::vector<oci::DiffId>& layers);

/// Descriptors of a stack for sys::OverlayOptions: the top one first, without repetitions and
/// without what an opaque layer hides.
std::vector<int> lower_fds(const Stack& stack);

/// True when whiteouts and opaque marks carry user.overlay.* names: in a user namespace.
bool uses_user_xattrs();

/// What mount tables show as the source of a view of the store at `root`.
std::string view_source(const std::filesystem::path& root);

/// A read-only merged view of a stack, mounted nowhere. Gone at end of scope.
class View {
 public:
  /// `store` lends an empty directory for a stack of one layer.
  View(const store::Store& store, const Stack& stack);
  const sys::Root& root() const { return root_; }
  /// The detached mount itself, for attaching; the view keeps looking through it.
  int mount_fd() const { return root_.fd(); }

 private:
  sys::Root root_;
};

/// A snapshot being written: a stack and a writable layer. Move-only; one thread.
class Active {
 public:
  Active(store::Store& store, Stack below, std::string_view purpose);

  const Stack& below() const { return below_; }
  /// Everything merged and writable; mounted when first asked for.
  const sys::Root& merged();
  /// The writable layer alone.
  const sys::Root& upper() const { return upper_; }
  /// The root directory for writing files in: the cheapest that is right for this stack.
  Target target();
  /// A new empty work directory. Every mount needs one of its own.
  sys::UniqueFd make_work();
  /// The directory of the init layer: mount targets and files that belong to this container alone,
  /// stacked between the image and the writable layer, never committed. Created when first asked
  /// for.
  const sys::Root& init();
  /// As Store::wrote().
  void wrote(uint64_t bytes) { store_->wrote(bytes); }
  bool has_init() const { return static_cast<bool>(init_); }
  /// Lower directories for the mount of a container, the top one first, init layer included.
  std::vector<int> lowers() const;
  const store::StagingDir& staging() const { return *staging_; }

  /// Throws away what was written: a new snapshot on the same stack. All mounts of this one must be
  /// gone, except merged().
  void start_over(std::string_view purpose);
  /// Ends the writing and returns the writable layer as an immutable tree. All mounts of it must be
  /// gone, except merged(), which this closes.
  TreePtr commit() &&;

 private:
  store::Store* store_;
  Stack below_;
  std::shared_ptr<store::StagingDir> staging_;
  sys::Root upper_;
  sys::Root init_;
  sys::Root merged_;
  int works_ = 0;
};

}  // namespace overlay
