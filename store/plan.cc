#include "store/plan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "store/event_log.h"
#include "store/seek_file.h"

namespace store {

namespace {

sys::UniqueFd open_directory(const std::filesystem::path& path) {
  sys::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno != ENOENT) base::throw_errno("open " + path.string());
  return fd;
}

std::vector<std::string> names_in(const std::filesystem::path& path) {
  const sys::UniqueFd fd = open_directory(path);
  return fd ? sys::list_names(fd.get()) : std::vector<std::string>();
}

void read_records(Database& database, Snapshot& snapshot) {
  ReadTransaction one_state(database);
  Query images(database, "SELECT config, manifest, platform, last_used FROM images");
  while (images.step()) {
    ImageRow& row = snapshot.images[images.text(0)];
    if (!images.is_null(1)) row.manifest = images.text(1);
    row.platform = images.text(2);
    row.last_used = images.number(3);
  }
  Query names(database, "SELECT config, name, digest FROM names ORDER BY name");
  while (names.step()) {
    ImageRow& row = snapshot.images[names.text(0)];
    row.names.push_back(names.text(1));
    if (!names.is_null(2)) row.blobs.push_back(names.text(2));
  }
  Query image_layers(database,
                     "SELECT config, diff_id FROM image_layers ORDER BY config, position");
  while (image_layers.step())
    snapshot.images[image_layers.text(0)].layers.push_back(image_layers.text(1));
  Query image_blobs(database, "SELECT config, digest FROM image_blobs");
  while (image_blobs.step())
    snapshot.images[image_blobs.text(0)].blobs.push_back(image_blobs.text(1));
  Query layers(database, "SELECT diff_id, tar_size, tree_size, origin, tar_crc32 FROM layers");
  while (layers.step()) {
    LayerRow& row = snapshot.layers[layers.text(0)];
    row.tar_size = static_cast<uint64_t>(layers.number(1));
    row.tree_size = static_cast<uint64_t>(layers.number(2));
    row.origin = origin_of(layers.number(3));
    if (!layers.is_null(4)) row.tar_crc32 = static_cast<uint32_t>(layers.number(4));
  }
  Query blobs(database,
              "SELECT b.diff_id, b.digest, b.media_type, b.size, b.compression, b.remakeable, "
              "b.source FROM layer_blobs b JOIN layers l ON l.diff_id = b.diff_id");
  while (blobs.step())
    snapshot.layers[blobs.text(0)].blobs.push_back(
        {.digest = oci::Digest::parse(blobs.text(1)),
         .media_type = blobs.text(2),
         .size_bytes = static_cast<uint64_t>(blobs.number(3)),
         .compression = blobs.text(4),
         .remakeable = blobs.number(5) != 0,
         .source = blobs.text(6)});
  Query cache(database, "SELECT key, slot, result, last_used FROM cache ORDER BY last_used, key");
  while (cache.step())
    snapshot.cache.push_back(
        {.key = cache.text(0),
         .slot = cache.text(1),
         .result = cache.is_null(2) ? std::nullopt : std::optional(cache.text(2)),
         .last_used = cache.number(3)});
}

void read_directories(const Layout& layout, Snapshot& snapshot) {
  for (const std::string& name : names_in(layout.layers())) {
    const std::string id = base::str(name.size() == 128 ? "sha512:" : "sha256:", name);
    if (oci::Digest::try_parse(id)) {
      snapshot.layer_dirs.insert(id);
    } else {
      snapshot.strange.push_back((layout.layers() / name).string());
    }
  }
  for (const std::string algorithm : {"sha256", "sha512"}) {
    const sys::UniqueFd directory = open_directory(layout.blobs() / algorithm);
    if (!directory) continue;
    for (const std::string& name : sys::list_names(directory.get())) {
      struct stat st;
      if (::fstatat(directory.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
      const std::string digest = base::str(algorithm, ":", name);
      if (oci::Digest::try_parse(digest) && S_ISREG(st.st_mode)) {
        snapshot.blob_sizes[digest] = static_cast<uint64_t>(st.st_size);
      } else {
        snapshot.strange.push_back((layout.blobs() / algorithm / name).string());
      }
    }
  }
}

// Prunes by reference counts, so that taking one cache record after another stays cheap.
class Pruner {
 public:
  Pruner(const Snapshot& snapshot, const PruneOptions& options, int64_t now)
      : snapshot_(snapshot), options_(options), now_(now) {
    for (const std::string& id : snapshot.uses.layers) ++layer_users_[id];
  }

  Plan run() {
    for (const auto& [id, row] : snapshot_.images) {
      if (keeps_image(id, row)) {
        for (const std::string& layer : row.layers) ++layer_users_[layer];
      } else {
        plan_.images.push_back(id);
      }
    }
    choose_cache();
    for (const auto& [id, row] : snapshot_.layers)
      if (layer_users_[id] == 0) plan_.layers.insert(id);
    for (const std::string& id : snapshot_.layer_dirs)
      if (!snapshot_.layers.contains(id) && !snapshot_.uses.layers.contains(id))
        plan_.layers.insert(id);
    choose_blobs();
    return std::move(plan_);
  }

 private:
  bool is_recent(int64_t last_used) const {
    return options_.older_than && last_used > now_ - options_.older_than->count();
  }

  bool keeps_image(const std::string& id, const ImageRow& row) const {
    return !options_.images || snapshot_.uses.images.contains(id) || is_recent(row.last_used) ||
           (!row.names.empty() && !options_.all);
  }

  void choose_cache() {
    // A record that was neither too new nor in use so far is a candidate.
    std::vector<const CacheRow*> candidates;
    for (const CacheRow& row : snapshot_.cache) {
      const bool shared = !options_.all && (!row.result || layer_users_[*row.result] > 0);
      if (!options_.cache || is_recent(row.last_used) || (shared && !options_.has_cap())) {
        kept_.push_back(&row);
      } else {
        candidates.push_back(&row);
      }
    }
    for (const std::vector<const CacheRow*>& rows : {kept_, candidates})
      for (const CacheRow* row : rows)
        if (row->result) ++layer_users_[*row->result];
    uint64_t total = stored_bytes();
    uint64_t freed = 0;
    for (const CacheRow* row : candidates) {
      if (is_enough(total, freed)) break;
      plan_.cache.push_back(row->key);
      if (!row->result || --layer_users_[*row->result] != 0) continue;
      const uint64_t size = size_of(*row->result);
      total -= size;
      freed += size;
    }
  }

  bool is_enough(uint64_t total, uint64_t freed) const {
    if (!options_.has_cap()) return false;
    if (options_.reserved_bytes && total <= *options_.reserved_bytes) return true;
    if (!options_.keep_storage_bytes && !options_.min_free_bytes) return false;
    return (!options_.keep_storage_bytes || total <= *options_.keep_storage_bytes) &&
           (!options_.min_free_bytes || snapshot_.free_bytes + freed >= *options_.min_free_bytes);
  }

  uint64_t size_of(const std::string& layer) const {
    const auto position = snapshot_.layers.find(layer);
    if (position == snapshot_.layers.end()) return 0;
    const LayerRow& row = position->second;
    uint64_t size = row.tree_size != 0 ? row.tree_size : row.tar_size;
    if (row.origin == Origin::kKnown) size = 0;
    for (const LayerBlob& blob : row.blobs)
      if (snapshot_.blob_sizes.contains(blob.digest.str())) size += blob.size_bytes;
    return size;
  }

  uint64_t stored_bytes() {
    uint64_t total = 0;
    for (const auto& [id, row] : snapshot_.layers)
      if (layer_users_[id] > 0) total += size_of(id);
    return total;
  }

  bool is_remakeable(const LayerBlob& blob) const {
    return blob.remakeable && (!options_.packs || options_.packs(blob.compression));
  }

  void choose_blobs() {
    std::set<std::string> kept = snapshot_.uses.blobs;
    const std::set<std::string> removed(plan_.images.begin(), plan_.images.end());
    for (const auto& [id, row] : snapshot_.images) {
      if (removed.contains(id)) continue;
      kept.insert(id);
      if (row.manifest) kept.insert(*row.manifest);
      kept.insert(row.blobs.begin(), row.blobs.end());
    }
    for (const auto& [id, row] : snapshot_.layers) {
      if (plan_.layers.contains(id)) continue;
      // A layer that is packed is nothing but its blob.
      const bool packed = !snapshot_.layer_dirs.contains(id);
      for (const LayerBlob& blob : row.blobs)
        if (!options_.blobs || packed || (!is_remakeable(blob) && blob.source.empty()))
          kept.insert(blob.digest.str());
    }
    for (const auto& [digest, size] : snapshot_.blob_sizes)
      if (!kept.contains(digest)) plan_.blobs.insert(digest);
  }

  const Snapshot& snapshot_;
  const PruneOptions& options_;
  int64_t now_;
  std::map<std::string, size_t> layer_users_;
  std::vector<const CacheRow*> kept_;
  Plan plan_;
};

}  // namespace

Uses collect_uses(Core& core, std::map<std::string, size_t>* containers_of_image) {
  Uses all;
  for (const std::string& id : names_in(core.layout.containers())) {
    Uses uses;
    read_uses(core.layout.container_uses(id), uses);
    if (containers_of_image != nullptr)
      for (const std::string& image : uses.images) ++(*containers_of_image)[image];
    all.images.merge(uses.images);
    all.layers.merge(uses.layers);
    all.blobs.merge(uses.blobs);
  }
  for (const std::string& name : names_in(core.layout.leases())) {
    const std::filesystem::path path = core.layout.leases() / name;
    if (core.writable && sys::FileLock::try_acquire(path, sys::FileLock::Mode::kExclusive)) {
      ::unlink(path.c_str());  // its owner died
      continue;
    }
    read_uses(path, all);
  }
  return all;
}

Snapshot take_snapshot(Core& core) {
  Snapshot snapshot;
  snapshot.uses = collect_uses(core, &snapshot.container_uses);
  {
    Core::Records records = core.records();
    read_records(records, snapshot);
  }
  read_directories(core.layout, snapshot);
  struct statvfs space;
  if (::statvfs(core.layout.root().c_str(), &space) == 0)
    snapshot.free_bytes = uint64_t{space.f_bavail} * space.f_frsize;
  return snapshot;
}

Plan plan_prune(const Snapshot& snapshot, const PruneOptions& options, int64_t now) {
  return Pruner(snapshot, options, now).run();
}

uint64_t layer_bytes(const Core& core, const Snapshot& snapshot, const std::string& diff_id) {
  const auto position = snapshot.layers.find(diff_id);
  if (position != snapshot.layers.end() && position->second.tree_size != 0)
    return position->second.tree_size;
  return sys::disk_usage(core.layout.layer(oci::DiffId::parse(diff_id)));
}

void carry_out(Core& core, const Plan& plan) {
  {
    Core::Records records = core.records();
    Transaction transaction(records);
    for (const std::string& id : plan.images) {
      Query(records, "DELETE FROM names WHERE config = ?").bind(id).run();
      Query(records, "DELETE FROM image_layers WHERE config = ?").bind(id).run();
      Query(records, "DELETE FROM image_blobs WHERE config = ?").bind(id).run();
      Query(records, "DELETE FROM images WHERE config = ?").bind(id).run();
    }
    for (const std::string& key : plan.cache)
      Query(records, "DELETE FROM cache WHERE key = ?").bind(key).run();
    for (const std::string& id : plan.layers) {
      Query(records, "DELETE FROM layer_blobs WHERE diff_id = ?").bind(id).run();
      Query(records, "DELETE FROM layers WHERE diff_id = ?").bind(id).run();
    }
    transaction.commit();
  }
  for (const std::string& id : plan.images)
    log_event(core.layout, {.type = "image", .action = "delete", .id = id});
  for (const std::string& id : plan.layers)
    core.trash.discard(core.layout.layer(oci::DiffId::parse(id)));
  for (const std::string& digest : plan.blobs) {
    const oci::Digest blob = oci::Digest::parse(digest);
    for (const std::filesystem::path& each :
         {core.layout.blob(blob), seek_index_path(core.layout, blob)})
      if (::unlink(each.c_str()) < 0 && errno != ENOENT)
        base::throw_errno("remove " + each.string());
  }
}

}  // namespace store
