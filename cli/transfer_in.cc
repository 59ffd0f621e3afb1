#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "cli/transfer.h"
#include "overlay/snapshot.h"
#include "overlay/unpack.h"
#include "store/layer/compression.h"
#include "store/layer/writer.h"
#include "store/oci/media_types.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

/// Passes bytes on and tells the progress screens, a few times a second at most disk speed.
class ReportingSource : public base::Source {
 public:
  ReportingSource(base::Source& source, const oci::Descriptor& blob, const TransferOptions& options)
      : source_(source), options_(options) {
    state_.id = blob.digest.str();
    state_.what = base::str("layer ", blob.digest.short_hex());
    state_.total_bytes = blob.size_bytes;
  }
  ~ReportingSource() override {
    state_.finished = true;
    report();
  }
  size_t read(std::span<std::byte> buffer) override {
    if (options_.stop.stop_requested())
      throw base::Error(base::Code::kCancelled, "interrupted");
    size_t n = source_.read(buffer);
    state_.done_bytes += n;
    if (state_.done_bytes - reported_ >= kStep) report();
    return n;
  }

 private:
  static constexpr uint64_t kStep = 4 << 20;
  void report() {
    reported_ = state_.done_bytes;
    if (options_.events != nullptr) options_.events->emit(state_);
  }
  base::Source& source_;
  const TransferOptions& options_;
  base::event::Transfer state_;
  uint64_t reported_ = 0;
};

layer::Compression compression_of(const oci::Descriptor& blob) {
  oci::LayerType type;
  CHECK(oci::find_layer_type(blob.media_type, &type));  // Manifest::parse() refused the others
  switch (type.encoding) {
    case oci::LayerEncoding::kGzip: return layer::Compression::kGzip;
    case oci::LayerEncoding::kZstd: return layer::Compression::kZstd;
    case oci::LayerEncoding::kNone: break;
  }
  return layer::Compression::kNone;
}

void require_diff_id(const oci::DiffId& expected, const oci::Digest& found) {
  if (found == expected.digest()) return;
  throw base::Error(base::Code::kCorrupt,
                    base::str("its content is ", found.str(), ", the configuration's diff id is ",
                              expected.str()),
                    "diff-id-mismatch");
}

/// Documents of the store: which layers a tree stands on, for trees that are right only there.
constexpr const char* kFoundation = "layer-foundation";

/// One import: the image's layers one after the other, lowest first.
class Import {
 public:
  Import(store::Store& store, const IncomingImage& image, const TransferOptions& options)
      : store_(store), image_(image), options_(options), batch_(store.batch()) {}

  oci::Digest run(const std::vector<oci::Reference>& names) {
    for (size_t i = 0; i < image_.manifest.layers.size(); ++i) {
      const oci::Descriptor& blob = image_.manifest.layers[i];
      base::with_context("layer " + blob.digest.str(),
                         [&] { take_layer(blob, image_.config.diff_ids[i]); });
    }
    oci::Digest manifest = add_document(image_.manifest.bytes());
    oci::Digest id = add_document(image_.config.bytes());
    store::ImageRecord record{.id = id, .manifest = manifest};
    record.platform = image_.config.platform.normalized().str();
    if (auto created = oci::parse_timestamp(image_.config.created))
      record.created = std::chrono::time_point_cast<store::Time::duration>(*created);
    record.layers = tree_ids_;
    record.blobs = {kept_.begin(), kept_.end()};
    for (const auto& [layer, foundation] : foundations_)
      store_.put_document(kFoundation, layer.str(), foundation);
    batch_.add_image(std::move(record));
    for (const oci::Reference& name : names) batch_.set_name({name.str(), manifest}, id);
    batch_.commit();
    return id;
  }

 private:
  oci::Digest add_document(const std::string& text) {
    auto writer = store_.write_blob();
    writer->write(base::as_bytes(text));
    store::StagedBlob staged = writer->finish();
    oci::Digest digest = staged.digest();
    batch_.add_blob(std::move(staged));
    return digest;
  }

  void take_layer(const oci::Descriptor& blob, const oci::DiffId& diff_id) {
    std::optional<store::LayerRecord> known;
    if (!made_.contains(diff_id)) known = store_.find_layer(diff_id);
    bool stands = fits(diff_id, known.has_value());
    bool pair_known = false;
    if (known)
      for (const store::LayerBlob& other : known->blobs) pair_known |= other.digest == blob.digest;
    auto opened = image_.open(blob);
    ReportingSource bytes(*opened, blob, options_);
    // A layer that is there is still read and checked: whether an import succeeds must not depend on
    // what was imported before.
    bool seen = !taken_.insert({blob.digest, diff_id}).second;
    if (stands && (seen || (pair_known && store_.find_blob(blob.digest)))) {
      oci::Verifier verifier(blob.digest, blob.size_bytes, "layer");
      base::copy(bytes, verifier);
      verifier.finish();
      return push(diff_id);
    }
    bool have = known || made_.contains(diff_id);
    unpack(bytes, blob, diff_id, !have ? Tree::kNew : stands ? Tree::kThere : Tree::kVariant);
  }

  /// Whether the tree that stands under this id is right above the layers below it here. A tree that
  /// took something from the layers below (a parent directory without an entry, a hard link) is
  /// right only above the same ones.
  bool fits(const oci::DiffId& diff_id, bool known) const {
    auto fresh = foundations_.find(diff_id);
    if (fresh != foundations_.end()) return fresh->second == below();
    if (!known) return true;
    auto remembered = store_.find_document(kFoundation, diff_id.str());
    return !remembered || *remembered == below();
  }

  /// Names the layers below the next one.
  std::string below() const {
    std::string ids;
    for (const oci::DiffId& id : tree_ids_) ids += id.str() + "\n";
    return oci::Digest::sha256_of(ids).str();
  }

  /// Puts a tree on the stack, whether it is new or was in the store.
  void push(const oci::DiffId& tree_id) {
    auto made = made_.find(tree_id);
    stack_.push_back(made != made_.end() ? made->second
                                         : overlay::open_stack(store_, {tree_id}).front());
    tree_ids_.push_back(tree_id);
  }

  /// What unpacking a blob is to give: the tree of a new layer; nothing but the proof that the blob
  /// is another form of a layer that is there; or a tree of its own, because the one that is there
  /// stands on other layers.
  enum class Tree { kNew, kThere, kVariant };

  void unpack(base::Source& bytes, const oci::Descriptor& blob, const oci::DiffId& diff_id,
              Tree wanted) {
    auto writer = store_.write_blob({blob.digest, blob.size_bytes});
    base::TeeSource stored(bytes, *writer);
    layer::Compression packed = compression_of(blob);
    auto plain = layer::decompress(stored, packed, options_.limits);
    oci::Digester content;
    overlay::Unpacked unpacked;
    {
      // Reading, storing and inflating on one thread; hashing the content and making files on this.
      auto ahead = layer::read_ahead(*plain);
      base::TeeSource hashed(*ahead, content);
      if (wanted == Tree::kThere) {
        base::CountingSink nowhere;
        base::copy(hashed, nowhere);
      } else {
        overlay::UnpackOptions unpacking;
        unpacking.limits = options_.limits;
        unpacking.stop = options_.stop;
        unpacked = overlay::unpack_layer(store_, hashed, stack_, unpacking);
      }
    }
    base::CountingSink rest;
    base::copy(stored, rest);
    store::StagedBlob staged = writer->finish({blob.digest, blob.size_bytes});
    uint64_t tar_bytes = content.count();
    require_diff_id(diff_id, content.finish());
    batch_.add_blob(std::move(staged));
    store::LayerBlob encoding{.digest = blob.digest,
                              .media_type = blob.media_type,
                              .size_bytes = blob.size_bytes,
                              .compression = layer::compression_name(packed)};
    if (wanted == Tree::kThere) {
      batch_.add_layer_blob(diff_id, std::move(encoding));
      return push(diff_id);
    }
    store::LayerRecord record{.diff_id = diff_id, .tar_size_bytes = tar_bytes};
    record.tree_size_bytes = sys::disk_usage(unpacked.tree->path());
    record.origin = store::Origin::kPulled;
    if (wanted == Tree::kVariant) {
      // The tree stands under the digest of what it is; the blob belongs to the image alone.
      name_by_content(record, unpacked.tree->path());
      kept_.insert(blob.digest);
    } else {
      record.blobs = {std::move(encoding)};
      if (unpacked.depends_on_lower) foundations_.insert_or_assign(diff_id, below());
    }
    oci::DiffId tree_id = record.diff_id;
    if (made_.emplace(tree_id, unpacked.tree).second)
      batch_.add_layer({std::move(record), unpacked.tree->path()});
    push(tree_id);
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
  overlay::Stack stack_;
  std::vector<oci::DiffId> tree_ids_;  ///< of the stack
  /// Trees made by this import, which live in staging until the batch is committed.
  std::map<oci::DiffId, overlay::TreePtr> made_;
  std::set<std::pair<oci::Digest, oci::DiffId>> taken_;
  /// New trees that took something from the layers below, and which those were.
  std::map<oci::DiffId, std::string> foundations_;
  std::set<oci::Digest> kept_;
  store::Batch batch_;
};

}  // namespace

oci::Digest import_image(store::Store& store, const IncomingImage& image,
                         const std::vector<oci::Reference>& names, const TransferOptions& options) {
  image.manifest.require_image();
  image.manifest.require_matching(image.config);
  store::Lease lease = store.lease();
  return Import(store, image, options).run(names);
}

oci::Digest import_image(store::Store& store, const archive::ImageLayout& layout,
                         const archive::FoundImage& image, const std::vector<oci::Reference>& names,
                         const TransferOptions& options) {
  IncomingImage incoming{image.manifest, image.config, [&](const oci::Descriptor& blob) {
                           return layout.open_unverified_blob(blob);
                         }};
  return import_image(store, incoming, names, options);
}

}  // namespace cli
