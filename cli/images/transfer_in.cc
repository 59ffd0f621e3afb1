#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "cli/images/incoming_blob.h"
#include "cli/images/transfer.h"
#include "overlay/snapshot.h"
#include "overlay/unpack.h"
#include "store/layer/compression.h"
#include "store/layer/writer.h"
#include "store/oci/media_types.h"
#include "store/oci/timestamp.h"

namespace cli {

layer::Compression compression_of(const oci::Descriptor& blob) {
  oci::LayerType type;
  CHECK(oci::find_layer_type(blob.media_type, &type));  // Manifest::parse() refused the others
  switch (type.encoding) {
    case oci::LayerEncoding::kGzip:
      return layer::Compression::kGzip;
    case oci::LayerEncoding::kZstd:
      return layer::Compression::kZstd;
    case oci::LayerEncoding::kNone:
      break;
  }
  return layer::Compression::kNone;
}

namespace {

/// One import. Layers are taken by several threads, the lowest first: a layer's tree hardly ever
/// depends on those below it, and one that does waits for them. As the lowest layer that is not
/// done has always been begun, nobody waits for ever.
class Import {
 public:
  Import(store::Store& store, const IncomingImage& image, const TransferOptions& options)
      : store_(store),
        image_(image),
        options_(options),
        unpacked_(options.limits.unpacked_bytes),
        batch_(store.batch()),
        trees_(image.manifest.layers.size()) {}

  oci::Digest run(const std::vector<oci::Reference>& names) {
    if (image_.fetched) claim_layers();
    take_layers();
    oci::Digest manifest = add_document(image_.manifest.bytes());
    oci::Digest id = add_document(image_.config.bytes());
    for (const std::string& document : image_.documents) kept_.insert(add_document(document));
    store::ImageRecord record{.id = id, .manifest = manifest};
    record.platform = image_.config.platform.normalized().str();
    if (auto created = oci::parse_timestamp(image_.config.created))
      record.created = std::chrono::time_point_cast<store::Time::duration>(*created);
    for (const std::optional<Placed>& tree : trees_) record.layers.push_back(tree->id);
    record.blobs = {kept_.begin(), kept_.end()};
    put_foundations();
    batch_.add_image(std::move(record));
    for (const oci::Reference& name : names)
      batch_.set_name({name.str(), image_.top.value_or(manifest)}, id);
    batch_.commit();
    forget_assumptions();
    return id;
  }

  void run_for_layers() {
    if (image_.fetched) claim_layers();
    take_layers();
    put_foundations();
    batch_.commit();
    forget_assumptions();
  }

 private:
  /// A layer in its place: its tree, and the id the tree stands under.
  struct Placed {
    overlay::TreePtr tree;
    oci::DiffId id;
  };

  const oci::Descriptor& blob_of(size_t layer) const { return image_.manifest.layers[layer]; }
  const oci::DiffId& diff_id_of(size_t layer) const { return image_.config.diff_ids[layer]; }

  oci::Digest add_document(const std::string& text) {
    auto writer = store_.write_blob();
    writer->write(base::as_bytes(text));
    store::StagedBlob staged = writer->finish();
    oci::Digest digest = staged.digest();
    batch_.add_blob(std::move(staged));
    return digest;
  }

  void put_foundations() {
    for (const auto& [layer, foundation] : foundations_)
      store_.put_document(kFoundation, layer.str(), foundation);
  }

  /// What a layer stands on is known now that it is here.
  void forget_assumptions() {
    for (const oci::DiffId& layer : assumed_) store_.remove_document(kAssumedStack, layer.str());
  }

  bool pair_known(const std::optional<store::LayerRecord>& layer, const oci::Digest& blob) const {
    if (layer)
      for (const store::LayerBlob& other : layer->blobs)
        if (other.digest == blob) return true;
    return false;
  }

  // Claims are held until the commit, because only then others see the layers. All are taken before
  // the first byte.
  void claim_layers() {
    std::set<oci::Digest> missing;
    for (size_t i = 0; i < trees_.size(); ++i) {
      auto known = store_.find_layer(diff_id_of(i));
      bool is_here = image_.trusts_trees ? known.has_value() : pair_known(known, blob_of(i).digest);
      if (!is_here) missing.insert(blob_of(i).digest);
    }
    claims_ = claim_blobs(store_, missing, options_);
  }

  void take_layers() {
    std::vector<std::jthread> workers;
    size_t threads = std::min<size_t>(image_.parallel, trees_.size());
    for (size_t i = 1; i < threads; ++i) workers.emplace_back([this] { work(); });
    work();
    workers.clear();
    if (error_) std::rethrow_exception(error_);
  }

  void work() {
    for (;;) {
      size_t layer = next_++;
      if (layer >= trees_.size()) return;
      try {
        base::with_context("layer " + blob_of(layer).digest.str(), [&] { take_layer(layer); });
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        next_ = trees_.size();
        changed_.notify_all();
        if (image_.abort) image_.abort();
        return;
      }
    }
  }

  /// Waits until all layers below are in their places. With mutex_ held, and released meanwhile.
  void await_below(size_t layer, std::unique_lock<std::mutex>& lock) {
    changed_.wait(lock, [&] {
      if (error_) return true;
      for (size_t i = 0; i < layer; ++i)
        if (!trees_[i]) return false;
      return true;
    });
    if (error_) throw base::Error(base::Code::kCancelled, "another layer failed", "cancelled");
  }

  overlay::Stack stack_below(size_t layer) {
    std::unique_lock lock(mutex_);
    await_below(layer, lock);
    overlay::Stack stack;
    for (size_t i = 0; i < layer; ++i) stack.push_back(trees_[i]->tree);
    return stack;
  }

  /// Names the layers below. With mutex_ held.
  std::string below(size_t layer, std::unique_lock<std::mutex>& lock) {
    await_below(layer, lock);
    std::string ids;
    for (size_t i = 0; i < layer; ++i) ids += trees_[i]->id.str() + "\n";
    return oci::Digest::sha256_of(ids).str();
  }

  /// Whether the tree that stands under this id is right above the layers below it here. A tree
  /// that took something from the layers below (a parent directory without an entry, a hard link)
  /// is right only above the same ones.
  bool fits(size_t layer, bool known, std::unique_lock<std::mutex>& lock) {
    auto fresh = foundations_.find(diff_id_of(layer));
    if (fresh != foundations_.end()) return fresh->second == below(layer, lock);
    if (!known) return !is_meant_elsewhere(layer, lock);
    auto remembered = store_.find_document(kFoundation, diff_id_of(layer).str());
    return !remembered || *remembered == below(layer, lock);
  }

  /// Whether a layer that has not come is to stand on other layers than here. With mutex_ held.
  bool is_meant_elsewhere(size_t layer, std::unique_lock<std::mutex>& lock) {
    auto assumed = store_.find_document(kAssumedStack, diff_id_of(layer).str());
    if (!assumed || made_.contains(diff_id_of(layer))) return false;
    auto row = store_.find_known_layer(diff_id_of(layer));
    if (!row || row->origin != store::Origin::kKnown) return false;
    if (!image_.trusts_trees && oci::Digest::sha256_of(*assumed).str() != below(layer, lock))
      return true;
    assumed_.insert(diff_id_of(layer));
    return false;
  }

  /// Puts a tree in its place, whether it is new or was in the store. With mutex_ held.
  void place(size_t layer, const oci::DiffId& id) {
    auto made = made_.find(id);
    trees_[layer] = {made != made_.end() ? made->second : overlay::open_stack(store_, {id}).front(),
                     id};
    changed_.notify_all();
  }

  /// What unpacking a blob is to give: the tree of a new layer; nothing but the proof that the blob
  /// is another form of a layer that is there; or a tree of its own, because the one that is there
  /// stands on other layers.
  enum class Tree { kNew, kThere, kVariant };

  void take_layer(size_t layer) {
    const oci::Descriptor& blob = blob_of(layer);
    const oci::DiffId& diff_id = diff_id_of(layer);
    std::unique_lock lock(mutex_);
    // The same layer twice in one image: the second waits to see what became of the first.
    for (size_t i = 0; i < layer; ++i)
      if (diff_id_of(i) == diff_id) await_below(layer, lock);
    bool made = made_.contains(diff_id);
    std::optional<store::LayerRecord> known;
    if (!made) known = store_.find_layer(diff_id);
    if (known && image_.trusts_trees) return place(layer, diff_id);
    bool stands = fits(layer, known.has_value(), lock);
    bool seen = !taken_.insert({blob.digest, diff_id}).second;
    bool proven = stands && (seen || pair_known(known, blob.digest));
    if (proven && image_.fetched) return place(layer, diff_id);
    lock.unlock();
    // A layer of an archive that is there is still read and checked: whether an import succeeds
    // must not depend on what was imported before.
    if (proven && (seen || store_.find_blob(blob.digest))) {
      ReportedSource bytes(image_.open(blob, 0), transfer_of(blob), options_);
      oci::Verifier verifier(blob.digest, blob.size_bytes, "layer");
      base::copy(bytes, verifier);
      verifier.finish();
      lock.lock();
      return place(layer, diff_id);
    }
    Tree wanted = !stands ? Tree::kVariant : known || made ? Tree::kThere : Tree::kNew;
    take_blob(store_, image_, blob, options_,
              [&](IncomingBlob& incoming) { unpack(incoming, layer, wanted); });
  }

  void unpack(IncomingBlob& incoming, size_t layer, Tree wanted) {
    const oci::Descriptor& blob = blob_of(layer);
    layer::Compression packed = compression_of(blob);
    auto plain = layer::decompress(incoming.bytes(), packed, options_.limits);
    oci::Digester content;
    overlay::Unpacked unpacked;
    {
      // Reading, storing and inflating on one thread; hashing the content and making files on this.
      base::TeeSource counted(*plain, unpacked_);
      auto ahead = layer::read_ahead(counted);
      base::TeeSource hashed(*ahead, content);
      if (wanted == Tree::kThere) {
        base::CountingSink nowhere;
        base::copy(hashed, nowhere);
      } else {
        overlay::UnpackOptions unpacking;
        unpacking.limits = options_.limits;
        unpacking.stop = options_.stop;
        std::function<overlay::Stack()> below;
        if (layer > 0) below = [this, layer] { return stack_below(layer); };
        unpacked = overlay::unpack_layer(store_, hashed, below, unpacking);
      }
    }
    store::StagedBlob staged = incoming.finish();
    uint64_t tar_bytes = content.count();
    require_diff_id(diff_id_of(layer), content.finish());
    store::LayerBlob encoding{.digest = blob.digest,
                              .media_type = blob.media_type,
                              .size_bytes = blob.size_bytes,
                              .compression = layer::compression_name(packed)};
    keep(layer, wanted, std::move(staged), std::move(encoding), std::move(unpacked), tar_bytes);
  }

  /// Adds a finished layer to the batch.
  void keep(size_t layer, Tree wanted, store::StagedBlob staged, store::LayerBlob encoding,
            overlay::Unpacked unpacked, uint64_t tar_bytes) {
    const oci::DiffId& diff_id = diff_id_of(layer);
    store::LayerRecord record{.diff_id = diff_id, .tar_size_bytes = tar_bytes};
    record.origin = store::Origin::kPulled;
    record.tree_size_bytes = unpacked.disk_bytes;
    // A variant's tree stands under the digest of what it is; the blob belongs to the image alone.
    if (wanted == Tree::kVariant) name_by_content(record, unpacked.tree->path());
    std::unique_lock lock(mutex_);
    batch_.add_blob(std::move(staged));
    if (wanted == Tree::kThere) {
      batch_.add_layer_blob(diff_id, std::move(encoding));
      return place(layer, diff_id);
    }
    if (wanted == Tree::kVariant) {
      kept_.insert(encoding.digest);
    } else {
      record.blobs = {std::move(encoding)};
      if (unpacked.depends_on_lower) foundations_.insert_or_assign(diff_id, below(layer, lock));
    }
    oci::DiffId tree_id = record.diff_id;
    if (made_.emplace(tree_id, unpacked.tree).second)
      batch_.add_layer({std::move(record), unpacked.tree->path()});
    place(layer, tree_id);
  }

  void name_by_content(store::LayerRecord& record, const std::filesystem::path& tree) const {
    oci::Digester content;
    layer::WriteOptions writing;
    writing.stop = options_.stop;
    layer::write_tree(sys::Root::open(tree), content, writing);
    record.tar_size_bytes = content.count();
    record.diff_id = oci::DiffId(content.finish());
  }

  store::Store& store_;
  const IncomingImage& image_;
  const TransferOptions& options_;
  std::vector<store::Claim> claims_;
  std::atomic<size_t> next_ = 0;  ///< layer to begin
  UnpackedTotal unpacked_;

  std::mutex mutex_;  ///< guards everything below
  std::condition_variable changed_;
  std::exception_ptr error_;
  store::Batch batch_;
  std::vector<std::optional<Placed>> trees_;
  /// Trees made by this import, which live in staging until the batch is committed.
  std::map<oci::DiffId, overlay::TreePtr> made_;
  std::set<std::pair<oci::Digest, oci::DiffId>> taken_;
  /// New trees that took something from the layers below, and which those were.
  std::map<oci::DiffId, std::string> foundations_;
  std::set<oci::DiffId> assumed_;  ///< layers that were known before, and came now
  std::set<oci::Digest> kept_;
};

}  // namespace

oci::Digest import_image(store::Store& store, const IncomingImage& image,
                         const std::vector<oci::Reference>& names, const TransferOptions& options) {
  image.manifest.require_image();
  image.manifest.require_matching(image.config);
  store::Lease lease = store.lease();
  return Import(store, image, options).run(names);
}

void import_layers(store::Store& store, const IncomingImage& image,
                   const TransferOptions& options) {
  CHECK(image.manifest.layers.size() == image.config.diff_ids.size());
  Import(store, image, options).run_for_layers();
}

oci::Digest import_image(store::Store& store, const archive::ImageLayout& layout,
                         const archive::FoundImage& image, const std::vector<oci::Reference>& names,
                         const TransferOptions& options) {
  IncomingImage incoming{image.manifest, image.config, [&](const oci::Descriptor& blob, uint64_t) {
                           return layout.open_unverified_blob(blob);
                         }};
  return import_image(store, incoming, names, options);
}

}  // namespace cli
