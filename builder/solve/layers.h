#pragma once

#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/cache/definition.h"
#include "overlay/snapshot.h"
#include "store/store.h"

namespace solve {

/// What hashing a new layer's canonical tar found.
struct LayerHash {
  oci::DiffId diff_id;
  uint64_t tar_size_bytes;
};

/// One layer of a stage being built: remembered (its diff id is known, its tree is opened when
/// needed) or new (its tree is there, its diff id is being computed in the background).
class LayerHandle {
 public:
  /// `created`: when the step ran; unset for layers of a base image.
  static std::shared_ptr<LayerHandle> remembered(oci::DiffId id, std::optional<int64_t> created = {});
  /// Starts hashing on a thread of its own.
  static std::shared_ptr<LayerHandle> made(overlay::TreePtr tree, int64_t created);

  bool is_new() const { return hashing_.valid(); }
  /// Waits for the hash if need be; rethrows what hashing threw.
  const oci::DiffId& diff_id();
  /// True when diff_id() would not wait.
  bool is_hashed() const;
  uint64_t tar_size_bytes();
  const overlay::TreePtr& tree(store::Store& store);
  /// Seconds since 1970. An image made of remembered layers alone is the same image again, so its
  /// dates are those of its layers.
  std::optional<int64_t> created() const { return created_; }

 private:
  std::optional<int64_t> created_;
  std::optional<oci::DiffId> known_;
  std::shared_future<LayerHash> hashing_;
  overlay::TreePtr tree_;
};
using LayerPtr = std::shared_ptr<LayerHandle>;

overlay::Stack open_stack(store::Store& store, const std::vector<LayerPtr>& layers);

/// New layers and the cache records that name them, until the store has them.
class Unpublished {
 public:
  explicit Unpublished(store::Store& store) : store_(store) {}
  void add(LayerPtr layer, store::CacheRecord record);
  /// Puts everything whose hash is known into a batch (all of it, waiting, when `wait`).
  void move_to(store::Batch& batch, bool wait);
  /// Publishes what is ready, when the oldest has waited for some seconds: a build that is killed
  /// loses little.
  void publish_if_due();
  /// Bytes of the tars of the layers published so far.
  uint64_t new_bytes() const { return new_bytes_; }

 private:
  struct Item {
    LayerPtr layer;
    store::CacheRecord record;
    std::chrono::steady_clock::time_point since;
  };
  store::Store& store_;
  std::vector<Item> items_;
  uint64_t new_bytes_ = 0;
};

}  // namespace solve
