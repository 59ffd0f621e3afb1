#include "cli/images/packed_import.h"

#include <set>

#include "base/error.h"
#include "base/text.h"
#include "cli/images/incoming_blob.h"
#include "cli/images/known_layers.h"
#include "overlay/packed_image.h"
#include "store/layer/seek_index.h"
#include "store/seek_file.h"

namespace cli {

namespace {

class PackedImport {
 public:
  PackedImport(store::Store& store, const IncomingImage& image, const TransferOptions& options)
      : store_(store),
        image_(image),
        options_(options),
        unpacked_(options.limits.unpacked_bytes),
        batch_(store.batch()) {}

  oci::Digest run(const std::vector<oci::Reference>& names, const std::string& place) {
    if (image_.fetched) claim();
    overlay::PackedTree tree;
    for (size_t i = 0; i < image_.manifest.layers.size() && whole_reason_.empty(); ++i)
      base::with_context("layer " + image_.manifest.layers[i].digest.str(), [&] {
        // What cannot be merged could not be unpacked either: better now than when it is looked at.
        if (auto index = take_layer(i)) tree.add_layer(index->members);
      });
    if (whole_reason_.empty() && !remember_image(store_, batch_, image_, names, place, true))
      whole_reason_ = "the store has layers of it that stand on other layers";
    if (!whole_reason_.empty()) return unpack(names);
    return oci::Digest::sha256_of(image_.config.bytes());
  }

 private:
  void claim() {
    std::set<oci::Digest> missing;
    for (const oci::Descriptor& blob : image_.manifest.layers)
      if (!store_.find_blob(blob.digest)) missing.insert(blob.digest);
    claims_ = claim_blobs(store_, missing, options_);
  }

  std::optional<layer::SeekIndex> take_layer(size_t number) {
    const oci::Descriptor& blob = image_.manifest.layers[number];
    const oci::DiffId& diff_id = image_.config.diff_ids[number];
    // The index says that blob and diff id belong together: it was made of the blob, once it was
    // checked.
    if (image_.fetched && store_.find_blob(blob.digest))
      if (auto known = overlay::find_seek_index(store_.layout(), blob.digest);
          known && known->diff_id == diff_id)
        return known;
    std::optional<layer::SeekIndex> index;
    take_blob(store_, image_, blob, options_, [&](IncomingBlob& incoming) {
      index = layer::build_seek_index(incoming.bytes(), blob.digest, compression_of(blob),
                                      options_.limits);
      store::StagedBlob staged = incoming.finish();
      require_diff_id(diff_id, index->diff_id.digest());
      unpacked_.add(index->tar_bytes);
      batch_.add_blob(std::move(staged));
    });
    if (!index->whole_reason.empty()) {
      whole_reason_ = base::str("layer ", blob.digest.short_hex(), ": ", index->whole_reason);
      return std::nullopt;
    }
    store_.put_index(store::seek_index_name(blob.digest), index->format());
    return index;
  }

  /// What came is kept, and not fetched again.
  oci::Digest unpack(const std::vector<oci::Reference>& names) {
    batch_.commit();
    claims_.clear();
    if (options_.events != nullptr)
      options_.events->emit(base::event::Note{"unpacking all of it: " + whole_reason_});
    return import_image(store_, image_, names, options_);
  }

  store::Store& store_;
  const IncomingImage& image_;
  const TransferOptions& options_;
  UnpackedTotal unpacked_;
  std::vector<store::Claim>
      claims_;  ///< held until the commit, because only then others see the layers
  store::Batch batch_;
  std::string whole_reason_;  ///< why the image cannot stay packed; empty: it can
};

}  // namespace

oci::Digest import_packed(store::Store& store, const IncomingImage& image,
                          const std::vector<oci::Reference>& names, const std::string& place,
                          const TransferOptions& options) {
  image.manifest.require_image();
  image.manifest.require_matching(image.config);
  store::Lease lease = store.lease();
  return PackedImport(store, image, options).run(names, place);
}

oci::Digest import_packed(store::Store& store, const archive::ImageLayout& layout,
                          const archive::FoundImage& image,
                          const std::vector<oci::Reference>& names,
                          const TransferOptions& options) {
  IncomingImage incoming{image.manifest, image.config, [&](const oci::Descriptor& blob, uint64_t) {
                           return layout.open_unverified_blob(blob);
                         }};
  return import_packed(store, incoming, names, "", options);
}

}  // namespace cli
