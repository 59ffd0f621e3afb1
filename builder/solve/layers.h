#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "overlay/snapshot.h"
#include "store/layer/tree_follower.h"
#include "store/store.h"

namespace solve {

/// One layer of a stage being built: remembered (its diff id is known, its tree is opened when
/// needed) or new (its tree is there, its diff id is being computed in the background). Shared by
/// the stages of a build; thread-safe.
class LayerHandle {
 public:
  /// `created`: when the step ran; unset for layers of a base image.
  static std::shared_ptr<LayerHandle> remembered(oci::DiffId id,
                                                 std::optional<int64_t> created = {});
  /// Hashes on a thread of its own, unless `follower` has done so.
  static std::shared_ptr<LayerHandle> made(store::Store& store, overlay::TreePtr tree,
                                           int64_t created,
                                           std::optional<layer::TreeFollower> follower = {});

  bool is_new() const { return hashing_.valid(); }
  /// Waits for the hash if need be; rethrows what hashing threw.
  const oci::DiffId& diff_id();
  /// True when diff_id() would not wait.
  bool is_hashed() const;
  /// Of a new layer, for the store; waits for the hash.
  store::LayerRecord record();
  /// Files that the tree has and the layer cannot say, because ".wh.NAME" means that NAME is gone.
  /// At most 100. Of a new layer.
  const std::vector<std::string>& left_out();
  /// As is_hashed(), after waiting until then if need be.
  bool is_hashed_by(std::chrono::steady_clock::time_point until) const;
  overlay::TreePtr tree(store::Store& store);
  /// Seconds since 1970. An image made of remembered layers alone is the same image again, so its
  /// dates are those of its layers.
  std::optional<int64_t> created() const { return created_; }

 private:
  std::optional<int64_t> created_;
  std::optional<oci::DiffId> known_;
  std::shared_future<layer::TarDigest> hashing_;
  std::mutex mutex_;  // of tree_
  overlay::TreePtr tree_;
};
using LayerPtr = std::shared_ptr<LayerHandle>;

overlay::Stack open_stack(store::Store& store, const std::vector<LayerPtr>& layers);

}  // namespace solve
