#include "base/sys/tree.h"
#include "store/plan.h"
#include "store/store.h"

namespace store {

namespace {

// Layers by who keeps them.
struct LayerUsers {
  size_t images = 0;
  bool cache = false;
};

std::map<std::string, LayerUsers> count_users(const Snapshot& snapshot) {
  std::map<std::string, LayerUsers> users;
  for (const auto& [id, row] : snapshot.images) {
    const std::set<std::string> once(row.layers.begin(), row.layers.end());
    for (const std::string& layer : once) ++users[layer].images;
  }
  for (const CacheRow& row : snapshot.cache)
    if (row.result) users[*row.result].cache = true;
  return users;
}

void add_images(std::vector<ImageRecord> images, const Snapshot& snapshot,
                const std::map<std::string, uint64_t>& sizes,
                std::map<std::string, LayerUsers>& users, DiskUsage& usage) {
  for (ImageRecord& image : images) {
    ++usage.images.count;
    const auto containers = snapshot.container_uses.find(image.id.str());
    const size_t used_by = containers == snapshot.container_uses.end() ? 0 : containers->second;
    if (used_by > 0 || !image.names.empty()) ++usage.images.active;
    ImageUsage each{.image = std::move(image), .containers = used_by};
    const std::set<oci::DiffId> once(each.image.layers.begin(), each.image.layers.end());
    for (const oci::DiffId& layer : once) {
      const auto size = sizes.find(layer.str());
      if (size == sizes.end()) continue;
      (users[layer.str()].images > 1 ? each.shared_bytes : each.unique_bytes) += size->second;
    }
    usage.by_image.push_back(std::move(each));
  }
}

// A directory of directories that somebody else fills, with locks and hidden directories of names
// beside them.
Usage measure_entries(const std::filesystem::path& directory) {
  Usage usage;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(directory, absent)) {
    if (!entry.is_directory() || entry.path().filename().string().starts_with('.')) continue;
    ++usage.count;
    ++usage.active;
    usage.total_bytes += sys::disk_usage(entry.path());
  }
  return usage;
}

}  // namespace

DiskUsage Store::usage() {
  const Snapshot snapshot = take_snapshot(*core_);
  DiskUsage usage;
  std::map<std::string, uint64_t> sizes;
  for (const std::string& id : snapshot.layer_dirs) sizes[id] = layer_bytes(*core_, snapshot, id);
  std::map<std::string, LayerUsers> users = count_users(snapshot);
  add_images(list_images(), snapshot, sizes, users, usage);

  const Plan everything = plan_prune(snapshot, {.all = true}, 0);
  usage.cache.count = snapshot.cache.size();
  for (const CacheRow& row : snapshot.cache)
    if (row.result && users[*row.result].images > 0) ++usage.cache.active;
  for (const auto& [id, size] : sizes) {
    const LayerUsers& user = users[id];
    Usage& kind = user.images > 0 ? usage.images : user.cache ? usage.cache : usage.leftovers;
    kind.total_bytes += size;
    if (everything.layers.contains(id)) kind.reclaimable_bytes += size;
    if (&kind == &usage.leftovers) ++kind.count;
  }
  std::set<std::string> encodings;
  for (const auto& [id, row] : snapshot.layers)
    for (const LayerBlob& blob : row.blobs) encodings.insert(blob.digest.str());
  const Plan orphans = plan_prune(snapshot, {.images = false, .cache = false}, 0);
  for (const auto& [digest, size] : snapshot.blob_sizes) {
    Usage& kind = orphans.blobs.contains(digest) ? usage.leftovers
                  : encodings.contains(digest)   ? usage.blobs
                                                 : usage.images;
    kind.total_bytes += size;
    if (everything.blobs.contains(digest)) kind.reclaimable_bytes += size;
    if (&kind != &usage.images) ++kind.count;
  }
  usage.blobs.active = usage.blobs.count;
  usage.containers = measure_entries(core_->layout.containers());
  usage.cache_mounts = measure_entries(core_->layout.cache_mounts());
  usage.volumes = measure_entries(core_->layout.volumes());
  const uint64_t staging = sys::disk_usage(core_->layout.staging());
  usage.leftovers.total_bytes += staging;
  usage.leftovers.reclaimable_bytes += staging;
  usage.total_bytes = usage.images.total_bytes + usage.cache.total_bytes + usage.blobs.total_bytes +
                      usage.containers.total_bytes + usage.cache_mounts.total_bytes +
                      usage.volumes.total_bytes + usage.leftovers.total_bytes;
  return usage;
}

}  // namespace store
