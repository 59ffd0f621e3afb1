#pragma once

#include <filesystem>
#include <memory>

#include "store/blob.h"
#include "store/records.h"

namespace store {

struct Core;

/// A layer about to be published.
struct NewLayer {
  LayerRecord record;          ///< `created` and `last_used` may be left unset: now
  std::filesystem::path tree;  ///< on the store's file system, usually below a StagingDir
};

/// Things that become visible together, or not at all: layers, blobs, cache records, images, names.
/// Many objects share one sync. An abandoned batch changes nothing. One thread at a time; the Store
/// must outlive it. [spec/security.md S1-S4]
class Batch {
 public:
  explicit Batch(Core& core);
  Batch(Batch&&) noexcept;
  ~Batch();

  void add_blob(StagedBlob blob);
  /// Moves `layer.tree` into the store at commit. A layer that is already there is adopted and the
  /// given tree stays where it is.
  void add_layer(NewLayer layer);
  /// Remembers a layer that may be fetched later, from where its blobs say. One that is in the
  /// store, or that is known already, stays as it is.
  void add_known_layer(LayerRecord record);
  /// Remembers one more encoding of a layer that is in the store or in this batch.
  void add_layer_blob(const oci::DiffId& diff_id, LayerBlob blob);
  void add_cache(CacheRecord record);
  /// `size_bytes` and `names` of the record are ignored. Adding an image that exists updates it.
  void add_image(ImageRecord record);
  /// Gives `name` (normalised) to an image of the store or of this batch, taking it from another.
  void set_name(Name name, const oci::Digest& image);

  bool empty() const;

  /// Makes all of it durable, then visible: one syncfs, renames, one transaction; no sync when all
  /// of it is there already. Throws NotFound when an image or a cache record names something that
  /// is in neither the store nor the batch. Afterwards the batch is empty and may be used again.
  void commit();

 private:
  struct Content;
  void commit_content();
  bool commit_known();
  Core* core_;
  std::unique_ptr<Content> content_;
};

}  // namespace store
