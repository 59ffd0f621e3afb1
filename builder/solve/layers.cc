#include "builder/solve/layers.h"

#include "base/sys/tree.h"
#include "overlay/built_layer.h"
#include "store/written_sink.h"

namespace solve {

std::shared_ptr<LayerHandle> LayerHandle::remembered(oci::DiffId id,
                                                     std::optional<int64_t> created) {
  auto handle = std::make_shared<LayerHandle>();
  handle->created_ = created;
  handle->known_ = std::move(id);
  return handle;
}

std::shared_ptr<LayerHandle> LayerHandle::made(store::Store& store, overlay::TreePtr tree,
                                               int64_t created,
                                               std::optional<layer::TreeFollower> follower) {
  auto handle = std::make_shared<LayerHandle>();
  handle->created_ = created;
  handle->tree_ = tree;
  auto hash = [&store, tree, follower = std::move(follower)]() mutable {
    std::optional<layer::TarDigest> digest;
    if (follower) digest = std::move(*follower).finish();
    if (digest) return *std::move(digest);
    store::WrittenSink written(store);
    return layer::tar_digest(sys::Root::open(tree->path()),
                             {.clamp_mtime = {}, .stop = {}, .hole_bytes = layer::kMostHoleBytes},
                             &written);
  };
  handle->hashing_ = std::async(std::launch::async, std::move(hash)).share();
  return handle;
}

const oci::DiffId& LayerHandle::diff_id() {
  if (known_) return *known_;
  return hashing_.get().diff_id;
}

bool LayerHandle::is_hashed() const { return is_hashed_by({}); }

bool LayerHandle::is_hashed_by(std::chrono::steady_clock::time_point until) const {
  return known_ || hashing_.wait_until(until) == std::future_status::ready;
}

store::LayerRecord LayerHandle::record() { return overlay::built_layer(hashing_.get()); }

const std::vector<std::string>& LayerHandle::left_out() { return hashing_.get().left_out; }

overlay::TreePtr LayerHandle::tree(store::Store& store) {
  std::lock_guard lock(mutex_);
  if (!tree_) tree_ = overlay::open_stack(store, {*known_}).front();
  return tree_;
}

overlay::Stack open_stack(store::Store& store, const std::vector<LayerPtr>& layers) {
  overlay::Stack stack;
  // All that must be fetched comes at once.
  std::vector<oci::DiffId> remembered;
  for (const LayerPtr& layer : layers)
    if (!layer->is_new()) remembered.push_back(layer->diff_id());
  store.provide_layers(remembered);
  for (const LayerPtr& layer : layers) stack.push_back(layer->tree(store));
  return stack;
}

}  // namespace solve
