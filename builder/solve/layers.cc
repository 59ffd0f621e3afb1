#include "builder/solve/layers.h"

#include "base/sys/tree.h"
#include "store/layer/writer.h"

namespace solve {

std::shared_ptr<LayerHandle> LayerHandle::remembered(oci::DiffId id,
                                                     std::optional<int64_t> created) {
  auto handle = std::make_shared<LayerHandle>();
  handle->created_ = created;
  handle->known_ = std::move(id);
  return handle;
}

std::shared_ptr<LayerHandle> LayerHandle::made(overlay::TreePtr tree, int64_t created) {
  auto handle = std::make_shared<LayerHandle>();
  handle->created_ = created;
  handle->tree_ = tree;
  handle->hashing_ = std::async(std::launch::async, [tree] {
                       sys::Root root = sys::Root::open(tree->path());
                       base::Sha256 hash;
                       layer::write_tree(root, hash, {});
                       uint64_t size = hash.count();
                       return LayerHash{oci::DiffId(oci::Digest::from_sha256(hash.finish())), size};
                     }).share();
  return handle;
}

const oci::DiffId& LayerHandle::diff_id() {
  if (known_) return *known_;
  return hashing_.get().diff_id;
}

bool LayerHandle::is_hashed() const { return is_hashed_within(std::chrono::milliseconds(0)); }

bool LayerHandle::is_hashed_within(std::chrono::milliseconds longest) const {
  return known_ || hashing_.wait_for(longest) == std::future_status::ready;
}

uint64_t LayerHandle::tar_size_bytes() { return hashing_.get().tar_size_bytes; }

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
