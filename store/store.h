#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "store/batch.h"
#include "store/blob.h"
#include "store/collect.h"
#include "store/fsck.h"
#include "store/layout.h"
#include "store/lease.h"
#include "store/records.h"
#include "store/staging.h"

namespace store {

enum class Access { kReadOnly, kReadWrite };

struct OpenOptions {
  /// Written into a store when it is created; false: nothing is ever synced, for throw-away CI
  /// machines. Unset: true for a new one, any for one that is there.
  std::optional<bool> durable = {};
};

/// Content by digest: blobs, layer trees, and the records that give them meaning.
///
/// Life cycle of an image that is built: a step's writable layer lies in a StagingDir; when its
/// diff id is known it goes into a Batch together with its cache record; the last Batch also
/// carries the configuration blob, the image record and its names. commit() makes all of it durable
/// and visible.
///
///     auto store = store::Store::open(root, store::Access::kReadWrite);
///     auto lease = store->lease();
///     auto blob = store->write_blob();
///     blob->write(config_bytes);
///     auto batch = store->batch();
///     batch.add_blob(blob->finish());
///     batch.add_layer({{.diff_id = id, .tar_size_bytes = n}, staging / "tree"});
///     batch.add_image({.id = config_digest, .platform = "linux/amd64", .layers = {id}});
///     batch.set_name({"docker.io/library/a:latest"}, config_digest);
///     batch.commit();
///
/// Any number of processes may have a store open. All members may be called by any thread.
/// Everything throws SystemError, Corrupt (a damaged database), Unavailable (locked for a minute).
/// [spec/security.md 8, docs: "On disk"]
class Store {
 public:
  /// Creates the store when absent (kReadWrite). Throws Unsupported for a format it does not know,
  /// Denied when it cannot be written, NotFound when absent (kReadOnly), Invalid for a directory
  /// that holds something else, or a store of the other durability.
  static std::unique_ptr<Store> open(const std::filesystem::path& root, Access access,
                                     const OpenOptions& options = {});
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  const Layout& layout() const;
  Access access() const;
  bool is_durable() const;

  // Blobs.

  /// What is known beforehand of the blob; see BlobWriter.
  std::unique_ptr<BlobWriter> write_blob(const Expected& expected = {});
  /// The same for a blob that is fetched, whose digest and size must be expected: it goes on where
  /// a process that died left off. The caller holds claim_fetch() of it. The bytes stay for a later
  /// process when `stop` was requested, or this process is killed; any other failure removes them.
  std::unique_ptr<BlobWriter> resume_blob(const Expected& expected, std::stop_token stop);
  std::optional<BlobReader> find_blob(const oci::Digest& digest);
  BlobReader open_blob(const oci::Digest& digest);  ///< Throws NotFound.
  /// A small blob as text. Throws NotFound, Corrupt, Invalid above `limit`.
  std::string read_blob(const oci::Digest& digest, uint64_t limit);

  // Things unfinished.

  /// Says that so many more bytes lie in staging that are going to stay: after some of that the
  /// disk begins to write, so that the commit has less to wait for.
  void wrote(uint64_t bytes);
  /// `purpose` appears in the name of the directory: "build", "pull".
  StagingDir create_staging(std::string_view purpose);
  Batch batch();
  Lease lease();
  /// `name`: letters, digits, '.', '-', '_', ':'. For a blob its digest.
  Claim claim(std::string_view name, const std::function<void()>& waiting = {});
  /// The right to fetch a blob: one process does it for all.
  Claim claim_fetch(const oci::Digest& blob, const std::function<void()>& waiting = {});
  /// Renames to trash; absent is fine.
  void discard(const std::filesystem::path& path);
  /// Deletes trash now. Otherwise that is done when the Store is closed.
  void flush_trash();

  // Layers and cache.

  /// A layer whose record and tree are there.
  std::optional<LayerRecord> find_layer(const oci::DiffId& diff_id);
  /// The same, also when its tree has not come (Origin::kKnown).
  std::optional<LayerRecord> find_known_layer(const oci::DiffId& diff_id);
  /// Brings the layers of a stack (bottom first) that are known and not there. May throw anything.
  using LayerProvider = std::function<void(const std::vector<oci::DiffId>& stack)>;
  /// Before other threads use the store. Without one, layers that have not come are missing.
  void set_layer_provider(LayerProvider provider);
  /// Whoever opens trees calls it first. Does nothing when all are there; what cannot be brought
  /// because nobody knows it is left to the caller to miss.
  void provide_layers(const std::vector<oci::DiffId>& stack) const;
  /// The layer that a blob of this digest unpacks to.
  std::optional<LayerRecord> find_layer_of_blob(const oci::Digest& blob);
  /// The record of that key, if what it names is still there.
  std::optional<CacheRecord> find_cache(const std::string& key);
  /// The record most recently used in a slot: what a miss is compared with.
  std::optional<CacheRecord> nearest_cache(const std::string& slot);
  /// The `most` records used most recently in a slot, the latest first.
  std::vector<CacheRecord> recent_cache(const std::string& slot, int most);
  /// Most recently used first.
  std::vector<CacheRecord> list_cache();
  /// Notes that these were used now, for the order of eviction. Cheap, not synced.
  void touch_cache(const std::vector<std::string>& keys);
  void remove_cache(const std::string& key);

  // Images.

  /// `text`: an exact name, else a name that normalises to one, else a unique prefix of an image id
  /// (with or without "sha256:"), or NAME@DIGEST. Throws Invalid when a prefix is ambiguous.
  std::optional<ImageRecord> find_image(std::string_view text);
  ImageRecord get_image(std::string_view text);  ///< Throws NotFound, with near names as help.
  std::optional<ImageRecord> find_image_by_id(const oci::Digest& id);
  /// Newest first.
  std::vector<ImageRecord> list_images();
  void tag(const Name& name, const oci::Digest& image);
  /// False when there was no such name (exact or normalised). The image stays.
  bool untag(std::string_view name);
  /// Remembers the manifest an image got when it was first compressed.
  void set_manifest(const oci::Digest& image, const oci::Digest& manifest);
  /// Lets go of a blob that was kept with the image (ImageRecord::blobs): the next prune takes it.
  void drop_image_blob(const oci::Digest& image, const oci::Digest& blob);
  void touch_image(const oci::Digest& image);
  /// By name: takes the name away, and the image with its last one. By id: the image with all its
  /// names. Throws NotFound; Denied when containers use it, or it has several names and is given by
  /// id, and `force` is not set.
  RemoveReport remove_image(std::string_view text, const RemoveOptions& options = {});

  // Containers. The directory containers/ID must exist.

  /// Keeps an image and its layers while the container's directory exists.
  void set_container_uses(std::string_view container, const ImageRecord& image);

  // Small things other rooms remember; losing them costs only time.

  /// `name` as for claim(). Appears whole, not synced.
  void put_index(std::string_view name, std::string_view bytes);
  std::optional<std::string> find_index(std::string_view name);

  /// Documents that must last (build history, volumes, networks): a text by kind and id.
  void put_document(std::string_view kind, std::string_view id, std::string_view body);
  std::optional<std::string> find_document(std::string_view kind, std::string_view id);
  struct Document {
    std::string id;
    std::string body;
    Time created;
  };
  std::vector<Document> list_documents(std::string_view kind);  ///< Oldest first.
  void remove_document(std::string_view kind, std::string_view id);

  // Housekeeping.

  PruneReport prune(const PruneOptions& options);
  DiskUsage usage();
  FsckReport fsck(const FsckOptions& options);

 private:
  explicit Store(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace store
