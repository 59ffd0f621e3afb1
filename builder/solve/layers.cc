#include "builder/solve/layers.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
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

bool LayerHandle::is_hashed() const {
  return known_ || hashing_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

uint64_t LayerHandle::tar_size_bytes() { return hashing_.get().tar_size_bytes; }

const overlay::TreePtr& LayerHandle::tree(store::Store& store) {
  if (!tree_) tree_ = overlay::open_stack(store, {*known_}).front();
  return tree_;
}

overlay::Stack open_stack(store::Store& store, const std::vector<LayerPtr>& layers) {
  overlay::Stack stack;
  for (const LayerPtr& layer : layers) stack.push_back(layer->tree(store));
  return stack;
}

void Unpublished::add(LayerPtr layer, store::CacheRecord record) {
  items_.push_back({std::move(layer), std::move(record), std::chrono::steady_clock::now()});
}

void Unpublished::move_to(store::Batch& batch, bool wait) {
  std::vector<Item> later;
  for (Item& item : items_) {
    if (!wait && !item.layer->is_hashed()) {
      later.push_back(std::move(item));
      continue;
    }
    store::NewLayer layer{{.diff_id = item.layer->diff_id(),
                           .tar_size_bytes = item.layer->tar_size_bytes()},
                          item.layer->tree(store_)->path()};
    layer.record.tree_size_bytes = layer.record.tar_size_bytes;
    new_bytes_ += layer.record.tar_size_bytes;
    item.record.result = layer.record.diff_id;
    item.record.size_bytes = layer.record.tar_size_bytes;
    batch.add_layer(std::move(layer));
    batch.add_cache(std::move(item.record));
  }
  items_ = std::move(later);
}

void Unpublished::publish_if_due() {
  constexpr std::chrono::seconds kLongestWait{5};
  auto now = std::chrono::steady_clock::now();
  bool due = std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
    return now - item.since > kLongestWait && item.layer->is_hashed();
  });
  if (!due) return;
  store::Batch batch = store_.batch();
  move_to(batch, false);
  batch.commit();
}

}  // namespace solve
