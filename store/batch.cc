#include "store/batch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "store/core.h"
#include "store/event_log.h"

namespace store {

namespace {

using base::Code;
using base::Error;

// A layer between "moved out of its owner's hands" and "in layers/". The directory holds the tree
// as "tree", so that one rename publishes it under a name that never shows anything half done.
// Unless published the tree goes back to where it was: its owner may have it mounted.
class StagedLayer {
 public:
  StagedLayer(std::filesystem::path directory, const NewLayer& layer)
      : directory_(std::move(directory)), layer_(layer.record.diff_id), tree_(layer.tree) {
    if (::mkdir(directory_.c_str(), 0700) < 0) base::throw_errno("create " + directory_.string());
    if (::rename(tree_.c_str(), (directory_ / "tree").c_str()) < 0)
      base::throw_errno(base::str("move layer ", layer_.str(), " from ", tree_.string()));
  }
  StagedLayer(const StagedLayer&) = delete;
  StagedLayer& operator=(const StagedLayer&) = delete;
  ~StagedLayer() {
    if (!published_) ::rename((directory_ / "tree").c_str(), tree_.c_str());
  }

  // Leaves everything as it is when another process was faster.
  void publish(const Layout& layout) {
    published_ = ::rename(directory_.c_str(), layout.layer(layer_).c_str()) == 0;
    if (!published_ && errno != ENOTEMPTY && errno != EEXIST)
      base::throw_errno("publish layer " + layer_.str());
  }

 private:
  std::filesystem::path directory_;
  // Copies: a batch may be emptied while this still has a tree to give back.
  oci::DiffId layer_;
  std::filesystem::path tree_;
  bool published_ = false;
};

using StagedLayers = std::map<oci::DiffId, StagedLayer>;

}  // namespace

struct Batch::Content {
  std::vector<StagedBlob> blobs;
  std::vector<NewLayer> layers;
  std::vector<LayerRecord> known_layers;
  std::vector<std::pair<oci::DiffId, LayerBlob>> layer_blobs;
  std::vector<CacheRecord> cache;
  std::vector<ImageRecord> images;
  std::vector<std::pair<Name, oci::Digest>> names;

  /// True when it staged any.
  bool stage_layers(Core& core, StagedLayers& staged) const;
  void sync(const Core& core, bool has_trees) const;
  bool is_known(Core& core) const;
  void require_complete(Core& core) const;
  void publish_blobs(const Core& core);
  static void publish_layers(const Core& core, StagedLayers& staged);
  void write_records(Database& records) const;
  void keep(Keeper& keeper) const;
};

// Moves trees below directories of our own, still private. What is in the store stays as it is.
bool Batch::Content::stage_layers(Core& core, StagedLayers& staged) const {
  bool any = false;
  for (const NewLayer& layer : layers) {
    const oci::DiffId& id = layer.record.diff_id;
    if (staged.contains(id) || is_there(core.layout.layer_tree(id))) continue;
    staged.try_emplace(id, core.staging_file("layer"), layer);
    any = true;
  }
  return any;
}

// One syncfs for all trees; a few files alone are cheaper to sync one by one, and do not wait for
// what other programs write to the same file system. [S2]
void Batch::Content::sync(const Core& core, bool has_trees) const {
  constexpr size_t kFewBlobs = 32;
  if (!core.durable) return;
  if (!has_trees && blobs.size() < kFewBlobs) {
    for (const StagedBlob& blob : blobs) blob.sync();
    return;
  }
  sys::sync_filesystem(core.root.get());
}

// Nothing may be named that is not there. Checked before anything is published, under the lock that
// keeps others from sweeping.
void Batch::Content::require_complete(Core& core) const {
  std::set<oci::DiffId> good_layers;
  for (const NewLayer& layer : layers) good_layers.insert(layer.record.diff_id);
  for (const LayerRecord& layer : known_layers) good_layers.insert(layer.diff_id);
  std::set<oci::Digest> good_blobs;
  for (const StagedBlob& blob : blobs) good_blobs.insert(blob.digest());
  const auto require_layer = [&](const oci::DiffId& id, std::string_view user) {
    if (!good_layers.insert(id).second) return;
    Core::Records records = core.records();
    std::optional<LayerRecord> layer = select_layer(records, id.str());
    if (!layer || (layer->origin != Origin::kKnown && !is_there(core.layout.layer_tree(id))))
      throw Error(Code::kNotFound,
                  base::str("layer ", id.str(), " of ", user, " is not in the store"),
                  "layer-missing");
  };
  const auto require_blob = [&](const oci::Digest& digest, std::string_view user) {
    if (good_blobs.insert(digest).second && !is_there(core.layout.blob(digest)))
      throw Error(Code::kNotFound,
                  base::str("blob ", digest.str(), " of ", user, " is not in the store"),
                  "blob-missing");
  };
  for (const ImageRecord& image : images) {
    const std::string user = "image " + image.id.str();
    require_blob(image.id, user);
    if (image.manifest) require_blob(*image.manifest, user);
    for (const oci::Digest& blob : image.blobs) require_blob(blob, user);
    for (const oci::DiffId& layer : image.layers) require_layer(layer, user);
  }
  for (const CacheRecord& record : cache)
    if (record.result) require_layer(*record.result, "cache record " + record.key);
  for (const auto& [diff_id, blob] : layer_blobs)
    require_layer(diff_id, "blob " + blob.digest.str());
  for (const auto& [name, image] : names) normalised_name(name.name);
}

void Batch::Content::publish_blobs(const Core& core) {
  std::set<std::filesystem::path> directories;
  for (StagedBlob& blob : blobs) {
    const std::filesystem::path target = core.layout.blob(blob.digest());
    blob.publish(target);
    directories.insert(target.parent_path());
  }
  if (!core.durable) return;
  for (const std::filesystem::path& directory : directories) sys::sync_directory(directory);
}

void Batch::Content::publish_layers(const Core& core, StagedLayers& staged) {
  for (auto& [id, layer] : staged) layer.publish(core.layout);
  if (core.durable && !staged.empty()) sys::sync_directory(core.layout.layers());
}

// Everything is there already, as the result of a build that found all of it in the cache: only
// times of use are left to write, which nobody needs to wait for. Under the lock that keeps others
// from sweeping.
bool Batch::Content::is_known(Core& core) const {
  if (!layers.empty() || !known_layers.empty() || !layer_blobs.empty() || !cache.empty())
    return false;
  for (const StagedBlob& blob : blobs)
    if (!blob.is_same_as(core.layout.blob(blob.digest()))) return false;
  Core::Records records = core.records();
  for (const ImageRecord& image : images) {
    const std::optional<ImageRecord> known = select_image(records, image.id.str());
    if (!known || known->layers != image.layers ||
        (image.manifest && known->manifest != image.manifest))
      return false;
    for (const oci::Digest& blob : image.blobs)
      if (std::find(known->blobs.begin(), known->blobs.end(), blob) == known->blobs.end())
        return false;
  }
  for (const auto& [name, image] : names) {
    const std::optional<ImageRecord> known = select_image(records, image.str());
    const Name wanted{normalised_name(name.name), name.digest};
    const auto is_ours = [&](const Name& one) {
      return one.name == wanted.name && one.digest == wanted.digest;
    };
    if (!known || std::none_of(known->names.begin(), known->names.end(), is_ours)) return false;
  }
  return true;
}

void Batch::Content::write_records(Database& records) const {
  const int64_t now = to_milliseconds(std::chrono::system_clock::now());
  Transaction transaction(records);
  for (const NewLayer& layer : layers) insert_layer(records, layer.record, now);
  for (const LayerRecord& layer : known_layers)
    if (!select_layer(records, layer.diff_id.str())) insert_layer(records, layer, now);
  for (const auto& [diff_id, blob] : layer_blobs) insert_layer_blob(records, diff_id.str(), blob);
  for (const CacheRecord& record : cache) insert_cache(records, record, now);
  for (const ImageRecord& image : images) insert_image(records, image, now);
  for (const auto& [name, image] : names) insert_name(records, name, image.str(), now);
  transaction.commit();
}

void Batch::Content::keep(Keeper& keeper) const {
  for (const NewLayer& layer : layers) keeper.layer(layer.record.diff_id);
  for (const LayerRecord& layer : known_layers) keeper.layer(layer.diff_id);
  for (const ImageRecord& image : images) keeper.image(image);
  for (const StagedBlob& blob : blobs) keeper.blob(blob.digest());
}

Batch::Batch(Core& core) : core_(&core), content_(std::make_unique<Content>()) {
  core.require_writable();
}
Batch::Batch(Batch&&) noexcept = default;
Batch::~Batch() = default;

void Batch::add_blob(StagedBlob blob) { content_->blobs.push_back(std::move(blob)); }
void Batch::add_layer(NewLayer layer) { content_->layers.push_back(std::move(layer)); }
void Batch::add_known_layer(LayerRecord record) {
  record.origin = Origin::kKnown;
  content_->known_layers.push_back(std::move(record));
}
void Batch::add_layer_blob(const oci::DiffId& diff_id, LayerBlob blob) {
  content_->layer_blobs.emplace_back(diff_id, std::move(blob));
}
void Batch::add_cache(CacheRecord record) { content_->cache.push_back(std::move(record)); }
void Batch::add_image(ImageRecord record) { content_->images.push_back(std::move(record)); }
void Batch::set_name(Name name, const oci::Digest& image) {
  content_->names.emplace_back(std::move(name), image);
}

bool Batch::empty() const {
  const Content& content = *content_;
  return content.blobs.empty() && content.layers.empty() && content.known_layers.empty() &&
         content.layer_blobs.empty() && content.cache.empty() && content.images.empty() &&
         content.names.empty();
}

bool Batch::commit_known() {
  Keeper keeper(*core_, true);
  if (!content_->is_known(*core_)) return false;
  content_->require_complete(*core_);
  {
    Core::Records records = core_->records();
    Unsynced unsynced(records);
    content_->write_records(records);
  }
  content_->keep(keeper);
  content_ = std::make_unique<Content>();
  return true;
}

void Batch::commit() {
  if (empty()) return;
  const auto names = content_->names;
  commit_content();
  for (const auto& [name, image] : names)
    log_event(core_->layout,
              {.type = "image", .action = "tag", .id = image.str(), .name = name.name});
}

void Batch::commit_content() {
  Core& core = *core_;
  if (commit_known()) return;
  StagedLayers staged;
  content_->stage_layers(core, staged);
  content_->sync(core, !staged.empty());
  for (;;) {
    Keeper keeper(core, true);
    // A layer that was there to be adopted may have been swept before we held the lock.
    if (content_->stage_layers(core, staged)) {
      keeper.release();
      content_->sync(core, true);
      continue;
    }
    content_->require_complete(core);
    content_->publish_blobs(core);
    Content::publish_layers(core, staged);
    {
      Core::Records records = core.records();
      content_->write_records(records);
    }
    content_->keep(keeper);
    break;
  }
  content_ = std::make_unique<Content>();
}

}  // namespace store
