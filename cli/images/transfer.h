#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/events.h"
#include "base/sys/fd.h"
#include "cli/images/packing.h"
#include "store/archive/image_layout.h"
#include "store/archive/image_writer.h"
#include "store/layer/compression.h"
#include "store/layer/limits.h"
#include "store/oci/image_config.h"
#include "store/oci/manifest.h"
#include "store/oci/reference.h"
#include "store/store.h"

/// How images come into the store and leave it: the chains that join bundles, blobs, layer trees
/// and records. The formats belong to the rooms below; only the joining is here.
namespace cli {

struct TransferOptions {
  layer::Limits limits;
  std::stop_token stop;
  base::EventSink* events = nullptr;  ///< may be null
  /// prepare_image(): this many layers at the bottom stay packed as they are, whatever was asked.
  size_t keep_packed = 0;
};

/// Where an image's blobs come from: a layout, a registry.
struct IncomingImage {
  oci::Manifest manifest;
  oci::ImageConfig config;
  /// A blob's bytes from an offset on, not yet verified; called once for each layer that is read,
  /// by any thread. The offset is 0 unless the image is `resumable`.
  std::function<std::unique_ptr<base::Source>(const oci::Descriptor&, uint64_t offset)> open;
  /// Bytes are dear: a layer that is in the store is not read again, a layer that several processes
  /// want is fetched by one of them, and what came before a process was killed is kept.
  bool fetched = false;
  /// Layers taken at the same time.
  unsigned parallel = 1;
  /// Layers whose trees are there are what they are: neither their blobs nor what they stand on
  /// counts.
  bool trusts_trees = false;
  /// What the names lead to: an index. The manifest when unset.
  std::optional<oci::Digest> top = {};
  std::vector<std::string> documents = {};  ///< kept with the image: that index
  /// Called when a layer has failed, so that whatever the others wait for ends.
  std::function<void()> abort = {};
};

/// Brings an image into the store and gives it `names`. Everything is verified on the way, blobs
/// the store has already too: size and digest of each blob, the diff id of each layer. Layers are
/// unpacked as their bytes arrive, several at once where that helps. A layer that took something
/// from those below, and is in the store above others, gets a second tree under the digest of that
/// tree. Nothing becomes visible unless all of it is right. Returns the image id. Throws Corrupt,
/// Invalid, what opening and extracting throw. [spec/security.md 2.3, 2.4, 8]
oci::Digest import_image(store::Store& store, const IncomingImage& image,
                         const std::vector<oci::Reference>& names, const TransferOptions& options);
/// Brings only the layers into the store; the configuration need not name more than their diff ids.
/// The caller's lease keeps them.
void import_layers(store::Store& store, const IncomingImage& image, const TransferOptions& options);
/// The same for an image of a layout.
oci::Digest import_image(store::Store& store, const archive::ImageLayout& layout,
                         const archive::FoundImage& image, const std::vector<oci::Reference>& names,
                         const TransferOptions& options);

/// Documents of the store, by diff id: which layers a tree stands on (the digest of their ids, a
/// line each), for trees that are right only there; and the same, as ids, for a layer that has not
/// come, and may turn out to be such a one.
inline constexpr const char* kFoundation = "layer-foundation";
inline constexpr const char* kAssumedStack = "layer-assumed-stack";

/// How a layer's blob is packed, by its media type, which must be one of a layer.
layer::Compression compression_of(const oci::Descriptor& blob);

/// The blob as a manifest names it: whatever family it came as, it leaves as OCI.
oci::Descriptor describe(const store::LayerBlob& blob);

/// Reads that much of the beginning, or to the end.
void skip(base::Source& source, uint64_t bytes);

/// Follows a blob while it is made.
class PackWatcher {
 public:
  virtual ~PackWatcher() = default;
  /// The first byte is about to be written; `blob` reads what is there.
  virtual void began(sys::UniqueFd blob) = 0;
  /// So many more bytes can be read.
  virtual void grew(uint64_t bytes) = 0;
  /// This is all of it. What remains is to make it durable, which may take the disk a while.
  virtual void ended(const oci::Descriptor& blob) = 0;
};

/// The blob of a layer that leaves in this packing: one that lies in the store; one that is only
/// remembered, so that a registry can be asked for it; one made now, watched by `watcher` unless it
/// is null or another process made the blob meanwhile. Packing::kNone has none of these.
std::optional<oci::Descriptor> find_packed(store::Store& store, const oci::DiffId& id,
                                           const Packing& packing);
std::vector<oci::Descriptor> remembered_packs(store::Store& store, const oci::DiffId& id,
                                              const Packing& packing);
oci::Descriptor pack_layer(store::Store& store, const oci::DiffId& id, const Packing& packing,
                           const TransferOptions& options, PackWatcher* watcher = nullptr);

/// The manifest an image came with or left with before, if all its layers are still there as they
/// were, or are known to be elsewhere (`elsewhere_too`); where it has none, an empty one to add
/// layers to.
std::optional<oci::Manifest> find_manifest(store::Store& store, const store::ImageRecord& image,
                                           bool elsewhere_too = false);
oci::Manifest begin_manifest(const oci::ImageConfig& config);
/// Keeps the manifest made for an image, so that it leaves under the same digest next time.
void remember_manifest(store::Store& store, const store::ImageRecord& image,
                       const oci::Manifest& manifest);
/// Layers of an image whose tree stands under another id than their diff id.
std::map<oci::DiffId, oci::Descriptor> find_originals(const store::ImageRecord& image,
                                                      const oci::ImageConfig& config,
                                                      const std::optional<oci::Manifest>& manifest);

/// An image ready to leave: its manifest names blobs that write_blob() can write.
struct OutgoingImage {
  oci::Manifest manifest;
  oci::ImageConfig config;
  /// Layers whose tree stands under another id than their diff id (see import_image): their tar
  /// comes out of the blob they came as.
  std::map<oci::DiffId, oci::Descriptor> originals;
};

/// Makes the manifest, packing layers that no blob exists for; those stay in the store, so that the
/// work is done once. Uncompressed layers are not stored. Throws Corrupt when a tree no longer
/// gives its diff id.
OutgoingImage prepare_image(store::Store& store, const store::ImageRecord& image,
                            const Packing& packing, const TransferOptions& options);
/// Writes the bytes of a blob of a prepared image: configuration or layer.
void write_blob(store::Store& store, const OutgoingImage& image, const oci::Descriptor& blob,
                base::Sink& out, const TransferOptions& options);
/// Adds a prepared image with its blobs to a bundle.
void export_image(store::Store& store, const OutgoingImage& image,
                  const std::vector<oci::Reference>& names, archive::ImageWriter& writer,
                  const TransferOptions& options);

/// The uncompressed tar of a layer, which the bytes written have been checked to be.
void write_layer_tar(store::Store& store, const store::LayerRecord& layer, base::Sink& out,
                     const TransferOptions& options);

}  // namespace cli
