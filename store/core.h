#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/synchronized.h"
#include "base/sys/fd.h"
#include "base/sys/lock.h"
#include "store/blob.h"
#include "store/database.h"
#include "store/early_sync.h"
#include "store/layout.h"
#include "store/lease.h"
#include "store/records.h"
#include "store/staging.h"

/// Inside the room: what the parts of one open Store share. Nobody outside store/ includes this.
///
/// Locks, in the order they are taken: gc.lock (flock), then the records (mutex, then SQLite's
/// own), then the list of leases (mutex).
namespace store {

enum class Access;

/// The lease of one Lease object: an open, locked file and the lines already in it.
struct LeaseFile {
  std::filesystem::path path;
  sys::FileLock lock;
  std::set<std::string> lines;
};

struct Core {
  Core(const std::filesystem::path& root_path, bool can_write, bool is_durable)
      : layout(root_path), writable(can_write), durable(is_durable), trash(layout) {}

  /// The records with their mutex held. Opens the database when first called, since commands that
  /// only need a directory should not pay for it.
  class Records {
   public:
    explicit Records(Core& core);
    Database& operator*() { return database_; }
    operator Database&() { return database_; }

   private:
    std::unique_lock<std::mutex> lock_;
    Database& database_;
  };
  Records records() { return Records(*this); }

  /// Throws Denied unless the store was opened for writing.
  void require_writable() const;

  /// A file name in this process's own staging directory, which is made when first needed.
  std::filesystem::path staging_file(std::string_view purpose);
  /// Takes that directory away; at the end of the Store.
  void close_staging() { staging_.reset(); }

  const Layout layout;
  const bool writable;
  const bool durable;
  /// The root directory, open since before anything was written: syncfs reports only errors of
  /// write-backs that happened since its descriptor was opened. Only when writable.
  sys::UniqueFd root;
  EarlySync early_sync{root};
  Trash trash;
  std::function<void(const std::vector<oci::DiffId>& stack)> layer_provider;  ///< may be empty
  base::Synchronized<std::map<uint64_t, LeaseFile>> leases;

 private:
  std::mutex database_mutex_;
  std::unique_ptr<Database> database_;
  std::mutex staging_mutex_;
  std::optional<StagingDir> staging_;
  uint64_t staged_ = 0;
};

/// Looks up and keeps under the leases of this Store: while it lives nothing is swept, and what is
/// named to it stays until the leases end. Costs nothing without a lease.
class Keeper {
 public:
  /// `always` takes the lock even without a lease, for those who publish.
  explicit Keeper(Core& core, bool always = false);
  void image(const ImageRecord& image);
  void layer(const oci::DiffId& diff_id);
  void blob(const oci::Digest& digest);
  void release() { lock_.reset(); }

 private:
  void add(std::string line);
  Core& core_;
  bool active_ = false;
  std::optional<sys::FileLock> lock_;
};

int64_t to_milliseconds(Time time);
Time from_milliseconds(int64_t milliseconds);

bool is_there(const std::filesystem::path& path);

/// Without keeping it under a lease; nullopt if absent.
std::optional<BlobReader> open_blob_file(const Core& core, const oci::Digest& digest);

/// Rows by key, for the parts that share them. The caller holds the records.
Origin origin_of(int64_t number);
std::optional<LayerRecord> select_layer(Database& database, const std::string& diff_id);
std::optional<ImageRecord> select_image(Database& database, const std::string& id);
/// The image that `text` names, in the order of Store::find_image.
std::optional<std::string> resolve_image(Database& database, std::string_view text);
/// What to throw when it names none, with near names as help.
base::Error image_not_found(Database& database, std::string_view text);
/// The stored name that `text` means, exact or normalised.
std::optional<std::string> resolve_name(Database& database, std::string_view text);
std::string normalised_name(std::string_view name);
void insert_image(Database& database, const ImageRecord& image, int64_t now);
void insert_name(Database& database, const Name& name, const std::string& image, int64_t now);
void insert_layer(Database& database, const LayerRecord& layer, int64_t now);
void insert_layer_blob(Database& database, const std::string& diff_id, const LayerBlob& blob);
void insert_cache(Database& database, const CacheRecord& record, int64_t now);

}  // namespace store
