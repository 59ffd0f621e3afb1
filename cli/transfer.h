#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/events.h"
#include "store/archive/image_layout.h"
#include "store/archive/image_writer.h"
#include "store/layer/limits.h"
#include "store/oci/image_config.h"
#include "store/oci/manifest.h"
#include "store/oci/reference.h"
#include "store/store.h"

/// How images come into the store and leave it: the chains that join bundles, blobs, layer trees and
/// records. The formats belong to the rooms below; only the joining is here.
namespace cli {

struct TransferOptions {
  layer::Limits limits;
  std::stop_token stop;
  base::EventSink* events = nullptr;  ///< may be null
  /// prepare_image(): this many layers at the bottom stay packed as they are, whatever was asked.
  size_t keep_packed = 0;
};

/// Where an image's blobs come from: a layout, later a registry. `open` gives a blob's bytes, not yet
/// verified; it is called once for each layer, lowest first.
struct IncomingImage {
  oci::Manifest manifest;
  oci::ImageConfig config;
  std::function<std::unique_ptr<base::Source>(const oci::Descriptor&)> open;
};

/// Brings an image into the store and gives it `names`. Everything is verified on the way, blobs the
/// store has already too: size and digest of each blob, the diff id of each layer. Layers are
/// unpacked as their bytes arrive. A layer that took something from those below, and is in the store
/// above others, gets a second tree under the digest of that tree. Nothing becomes visible unless all of it is right. Returns the
/// image id. Throws Corrupt, Invalid, what opening and extracting throw.
/// [spec/security.md 2.3, 2.4, 8]
oci::Digest import_image(store::Store& store, const IncomingImage& image,
                         const std::vector<oci::Reference>& names, const TransferOptions& options);
/// The same for an image of a layout.
oci::Digest import_image(store::Store& store, const archive::ImageLayout& layout,
                         const archive::FoundImage& image, const std::vector<oci::Reference>& names,
                         const TransferOptions& options);

/// How layers leave. kAsIs keeps an image's manifest and blobs where they are known, so that its
/// digest does not change; what was never packed becomes gzip.
enum class Packing { kAsIs, kGzip, kZstd, kNone };

/// An image ready to leave: its manifest names blobs that write_blob() can write.
struct OutgoingImage {
  oci::Manifest manifest;
  oci::ImageConfig config;
  /// Layers whose tree stands under another id than their diff id (see import_image): their tar
  /// comes out of the blob they came as.
  std::map<oci::DiffId, oci::Descriptor> originals;
};

/// Makes the manifest, packing layers that no blob exists for; those stay in the store, so that the
/// work is done once. Uncompressed layers are not stored. Throws Corrupt when a tree no longer gives
/// its diff id.
OutgoingImage prepare_image(store::Store& store, const store::ImageRecord& image, Packing packing,
                            const TransferOptions& options);
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
