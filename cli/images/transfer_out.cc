#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "cli/images/transfer.h"
#include "store/layer/compression.h"
#include "store/layer/tar_digest.h"
#include "store/layer/writer.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

oci::LayerEncoding encoding_of(const std::string& media_type) {
  oci::LayerType type;
  return oci::find_layer_type(media_type, &type) ? type.encoding : oci::LayerEncoding::kNone;
}

oci::LayerEncoding encoding_for(const Packing& packing) {
  return packing == Packing::kZstd ? oci::LayerEncoding::kZstd : oci::LayerEncoding::kGzip;
}

/// Whether the blob is what was asked for. Any encoding is where nothing was, any level where none
/// was.
bool serves(const store::LayerBlob& blob, const Packing& packing) {
  if (packing == Packing::kAsIs) return true;
  if (encoding_of(blob.media_type) != encoding_for(packing)) return false;
  return !packing.level || blob.compression == packing.settings();
}

/// A stored blob of the layer that serves.
const store::LayerBlob* find_stored(store::Store& store, const store::LayerRecord& layer,
                                    const Packing& packing) {
  for (const store::LayerBlob& blob : layer.blobs)
    if (serves(blob, packing) && store.find_blob(blob.digest)) return &blob;
  return nullptr;
}

store::LayerRecord get_layer(store::Store& store, const oci::DiffId& id) {
  auto layer = store.find_layer(id);
  if (!layer)
    throw base::Error(base::Code::kNotFound, "layer " + id.str() + " is not in the store",
                      "layer-missing")
        .add_help("torte fsck --repair tells what must be fetched or built again");
  return *std::move(layer);
}

/// Tells a watcher what reached the blob.
class WatchedSink : public base::Sink {
 public:
  WatchedSink(store::BlobWriter& blob, PackWatcher& watcher) : blob_(blob), watcher_(watcher) {
    watcher_.began(blob.open_for_reading());
  }
  void write(base::Bytes bytes) override {
    blob_.write(bytes);
    watcher_.grew(bytes.size());
  }

 private:
  store::BlobWriter& blob_;
  PackWatcher& watcher_;
};

std::unique_ptr<layer::CompressSink> make_packer(const Packing& packing, base::Sink& out) {
  if (packing != Packing::kZstd) return layer::gzip_sink(out, 0, packing.level);
  return packing.level ? layer::zstd_sink(out, *packing.level) : layer::zstd_sink(out);
}

oci::Descriptor provide_layer(store::Store& store, const oci::DiffId& id, const Packing& packing,
                              const TransferOptions& options) {
  if (packing == Packing::kNone)
    return {std::string(oci::media_type::kLayer), id.digest(), get_layer(store, id).tar_size_bytes};
  if (auto blob = find_packed(store, id, packing)) return *blob;
  return pack_layer(store, id, packing, options);
}

/// Writes the tar that a blob holds, checked against its diff id.
void unpack_blob(store::Store& store, const oci::Descriptor& blob, const oci::DiffId& diff_id,
                 base::Sink& out, const TransferOptions& options) {
  oci::Verifier verifier(diff_id.digest(), {}, "layer");
  base::TeeSink checked(verifier, out);
  store::BlobReader reader = store.open_blob(blob.digest);
  auto plain = layer::decompress(reader, compression_of(blob), options.limits);
  auto ahead = layer::read_ahead(*plain);
  base::copy(*ahead, checked);
  verifier.finish();
}

/// A tree was hashed when it came into the store; what there is to notice is that it changed since.
void require_unchanged(const store::LayerRecord& layer, const layer::Checksum& sum) {
  if (sum.count() == layer.tar_size_bytes && sum.crc32() == *layer.tar_crc32) return;
  throw base::Error(
      base::Code::kCorrupt,
      base::str("its files are not what they were when it came into the store: the tar has ",
                sum.count(), " bytes and checksum ", sum.crc32(), ", not ", layer.tar_size_bytes,
                " and ", *layer.tar_crc32),
      "layer-damaged")
      .add_help("torte fsck --deep tells what is damaged; fsck --repair takes it out of the store");
}

/// A layer whose tree stands under another id leaves as it came, or unpacked.
oci::Descriptor provide_original(store::Store& store, const oci::Descriptor& original,
                                 const oci::DiffId& diff_id, const Packing& packing,
                                 const TransferOptions& options) {
  if (packing != Packing::kNone) return original;
  base::CountingSink size;
  unpack_blob(store, original, diff_id, size, options);
  return {std::string(oci::media_type::kLayer), diff_id.digest(), size.count()};
}

}  // namespace

std::optional<oci::Descriptor> find_packed(store::Store& store, const oci::DiffId& id,
                                           const Packing& packing) {
  store::LayerRecord layer = get_layer(store, id);
  const store::LayerBlob* blob = find_stored(store, layer, packing);
  if (blob == nullptr) return std::nullopt;
  return describe(*blob);
}

std::vector<oci::Descriptor> remembered_packs(store::Store& store, const oci::DiffId& id,
                                              const Packing& packing) {
  std::vector<oci::Descriptor> blobs;
  for (const store::LayerBlob& blob : get_layer(store, id).blobs)
    if (serves(blob, packing)) blobs.push_back(describe(blob));
  return blobs;
}

oci::Descriptor pack_layer(store::Store& store, const oci::DiffId& id, const Packing& asked,
                           const TransferOptions& options, PackWatcher* watcher) {
  const Packing packing = asked == Packing::kAsIs ? Packing(Packing::kGzip) : asked;
  // One process packs, the others wait and find its blob.
  store::Claim claim = store.claim("pack:" + std::string(id.hex()));
  store::LayerRecord layer = get_layer(store, id);
  if (const store::LayerBlob* done = find_stored(store, layer, packing)) return describe(*done);
  auto writer = store.write_blob();
  std::optional<WatchedSink> watched;
  if (watcher != nullptr) watched.emplace(*writer, *watcher);
  base::Sink& out = watched ? static_cast<base::Sink&>(*watched) : *writer;
  auto packer = make_packer(packing, out);
  // Only torte's own bytes from torte's own tree can be made again.
  bool from_tree = find_stored(store, layer, Packing::kAsIs) == nullptr;
  write_layer_tar(store, layer, *packer, options);
  packer->finish();
  store::StagedBlob staged = writer->finish();
  store::LayerBlob blob{.digest = staged.digest(),
                        .media_type = std::string(oci::layer_media_type(encoding_for(packing))),
                        .size_bytes = staged.size_bytes(),
                        .compression = packing.settings(),
                        .remakeable = from_tree};
  if (watcher != nullptr) watcher->ended(describe(blob));
  store::Batch batch = store.batch();
  batch.add_blob(std::move(staged));
  batch.add_layer_blob(id, blob);
  batch.commit();
  return describe(blob);
}

std::optional<oci::Manifest> find_manifest(store::Store& store, const store::ImageRecord& image,
                                           bool elsewhere_too) {
  if (!image.manifest || !store.find_blob(*image.manifest)) return std::nullopt;
  oci::Manifest manifest =
      oci::Manifest::parse(store.read_blob(*image.manifest, oci::kMaxManifestBytes));
  std::set<oci::Digest> elsewhere;
  for (const oci::DiffId& layer : image.layers)
    if (auto known = elsewhere_too ? store.find_known_layer(layer) : std::nullopt)
      for (const store::LayerBlob& blob : known->blobs)
        if (!blob.source.empty()) elsewhere.insert(blob.digest);
  for (const oci::Descriptor& blob : manifest.layers)
    if (!elsewhere.contains(blob.digest) && !store.find_blob(blob.digest)) return std::nullopt;
  return manifest;
}

std::map<oci::DiffId, oci::Descriptor> find_originals(
    const store::ImageRecord& image, const oci::ImageConfig& config,
    const std::optional<oci::Manifest>& manifest) {
  std::map<oci::DiffId, oci::Descriptor> originals;
  for (size_t i = 0; i < config.diff_ids.size(); ++i)
    if (manifest && i < image.layers.size() && image.layers[i] != config.diff_ids[i])
      originals.emplace(config.diff_ids[i], manifest->layers.at(i));
  return originals;
}

void remember_manifest(store::Store& store, const store::ImageRecord& image,
                       const oci::Manifest& manifest) {
  std::string text = manifest.bytes();
  auto writer = store.write_blob();
  writer->write(base::as_bytes(text));
  store.set_manifest(image.id, writer->commit());
}

oci::Descriptor describe(const store::LayerBlob& blob) {
  // Whatever family the blob came as, it leaves as OCI: the bytes are the same.
  return {std::string(oci::layer_media_type(encoding_of(blob.media_type))), blob.digest,
          blob.size_bytes};
}

void skip(base::Source& source, uint64_t bytes) {
  std::array<std::byte, 65536> scrap;
  while (bytes > 0) {
    size_t n = source.read(std::span(scrap).first(std::min<uint64_t>(bytes, scrap.size())));
    if (n == 0) return;
    bytes -= n;
  }
}

oci::Manifest begin_manifest(const oci::ImageConfig& config) {
  return {.media_type = std::string(oci::media_type::kManifest),
          .config = oci::Descriptor::of(oci::media_type::kConfig, config.bytes())};
}

void write_layer_tar(store::Store& store, const store::LayerRecord& layer, base::Sink& out,
                     const TransferOptions& options) {
  base::with_context("layer " + layer.diff_id.str(), [&] {
    if (const store::LayerBlob* blob = find_stored(store, layer, Packing::kAsIs))
      return unpack_blob(store, describe(*blob), layer.diff_id, out, options);
    auto write = [&](base::Sink& check) {
      base::TeeSink checked(check, out);
      layer::WriteOptions writing;
      writing.stop = options.stop;
      layer::write_tree(sys::Root::open(store.layout().layer_tree(layer.diff_id)), checked,
                        writing);
    };
    if (layer.tar_crc32) {
      layer::Checksum sum;
      write(sum);
      return require_unchanged(layer, sum);
    }
    oci::Verifier verifier(layer.diff_id.digest(), {}, "layer");
    write(verifier);
    verifier.finish();
  });
}

OutgoingImage prepare_image(store::Store& store, const store::ImageRecord& image,
                            const Packing& packing, const TransferOptions& options) {
  store::Lease lease = store.lease();
  std::string config_text = store.read_blob(image.id, oci::kMaxConfigBytes);
  oci::ImageConfig config = oci::ImageConfig::parse(config_text);
  std::optional<oci::Manifest> known = find_manifest(store, image);
  if (packing == Packing::kAsIs && known) return {*std::move(known), std::move(config), {}};
  store.provide_layers(image.layers);
  known = find_manifest(store, image);  // layers that have come now brought their blobs
  auto originals = find_originals(image, config, known);
  if (packing == Packing::kAsIs && known) return {*std::move(known), std::move(config), {}};
  oci::Manifest manifest = begin_manifest(config);
  for (const oci::DiffId& id : config.diff_ids) {
    auto original = originals.find(id);
    bool keep = packing != Packing::kNone && manifest.layers.size() < options.keep_packed;
    manifest.layers.push_back(
        original == originals.end()
            ? provide_layer(store, id, keep ? Packing::kAsIs : packing, options)
            : provide_original(store, original->second, id, packing, options));
  }
  if (packing == Packing::kAsIs) remember_manifest(store, image, manifest);
  return {std::move(manifest), std::move(config), std::move(originals)};
}

void write_blob(store::Store& store, const OutgoingImage& image, const oci::Descriptor& blob,
                base::Sink& out, const TransferOptions& options) {
  if (blob.digest == image.manifest.config.digest)
    return out.write(base::as_bytes(image.config.bytes()));
  if (auto reader = store.find_blob(blob.digest)) {
    base::copy(*reader, out);
    return;
  }
  // An uncompressed layer is not kept as a blob: its digest is its diff id.
  auto original = image.originals.find(oci::DiffId(blob.digest));
  if (original != image.originals.end())
    return unpack_blob(store, original->second, original->first, out, options);
  write_layer_tar(store, get_layer(store, oci::DiffId(blob.digest)), out, options);
}

void export_image(store::Store& store, const OutgoingImage& image,
                  const std::vector<oci::Reference>& names, archive::ImageWriter& writer,
                  const TransferOptions& options) {
  auto add = [&](const oci::Descriptor& blob) {
    writer.add_blob(blob, [&](base::Sink& out) { write_blob(store, image, blob, out, options); });
  };
  for (const oci::Descriptor& layer : image.manifest.layers) add(layer);
  add(image.manifest.config);
  writer.add_image(image.manifest, image.config, names);
}

}  // namespace cli
