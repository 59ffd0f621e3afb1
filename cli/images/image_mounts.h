#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/fd.h"
#include "base/sys/lock.h"
#include "runner/container/containers.h"
#include "store/store.h"

namespace cli {

/// Whether an image that is in the store only packed is unpacked to be mounted.
enum class Unpacking {
  kIfNeeded,  ///< where its files cannot be read out of it
  kNever,
  kAlways
};

/// What `torte mount` notes of one mount, in containers/mount-ID/mount beside the list of what it
/// uses. A value; format() and parse() are each other's inverse.
struct MountRecord {
  std::string boot;             ///< /proc/sys/kernel/random/boot_id
  uint64_t pid_namespace = 0;   ///< inode of the maker's
  uint64_t name_space = 0;      ///< inode of the mount namespace
  uint64_t leader = 0;          ///< the maker's first ancestor in that mount namespace
  uint64_t leader_start = 0;    ///< and when it started, in clock ticks after boot
  uint64_t mount = 0;           ///< kernel's id of the mount
  std::string device;           ///< "MAJOR:MINOR" of its file system
  std::string image;            ///< image id, or "container:ID"
  bool made_directory = false;  ///< the mount point is torte's own and goes with the mount
  std::string point;            ///< where it was attached; bytes

  std::string format() const;
  /// nullopt for text that is not a whole record.
  static std::optional<MountRecord> parse(std::string_view text);
};

/// What MountRecord::image says for a container.
std::string mounted_container(const std::string& id);

/// One image or container mounted in this mount namespace.
struct ImageMount {
  std::string id;  ///< directory in containers/
  MountRecord record;
  std::string point;  ///< where it is now
};

/// The images that are mounted for people, with their records. Lives for one command; makes other
/// processes that change mounts of the same store wait meanwhile. Opening it forgets the mounts
/// that a reboot or the end of their namespace took away, so that prune is free to take their
/// layers.
class ImageMounts {
 public:
  explicit ImageMounts(const store::Layout& layout);

  /// Mounts of this namespace, oldest first.
  const std::vector<ImageMount>& all() const { return mounts_; }
  /// Mounts an image read-only, without devices and set-id rights, on directory `point`. The image
  /// and its layers stay in the store until it is unmounted, untagged or not. Throws Invalid for
  /// what is no directory, NotFound, SystemError, and Unsupported with Unpacking::kNever.
  std::string mount(store::Store& store, const store::ImageRecord& image,
                    const std::filesystem::path& point, bool made_directory, Unpacking unpacking);
  /// Shows a container's root on directory `point`, to be read and written; of one that runs, as it
  /// sees it itself, but without what is mounted in it. Errors as above; Unavailable when its claim
  /// is somebody's.
  std::string mount_container(container::Containers& containers, const std::string& id,
                              const std::filesystem::path& point, bool made_directory);
  /// The mount whose root `directory` is, or null.
  const ImageMount* at(const std::filesystem::path& directory) const;
  /// Takes a mount of all() away, and its record. Throws Unavailable when it is in use, unless
  /// `lazily`. The element of all() is stale afterwards.
  void unmount(const ImageMount& mount, bool lazily);

 private:
  std::string put(const std::string& id, int mount, const std::string& what,
                  const sys::UniqueFd& directory, bool made_directory);
  /// A container that is shown nowhere any more may be started and removed.
  void forget_container(const std::string& what) const;

  store::Layout layout_;
  sys::FileLock lock_;
  std::vector<ImageMount> mounts_;
};

/// Takes the mount at `point` away. Throws Unavailable when it is in use, unless `lazily`.
void take_away_mount(const std::string& point, bool lazily);

/// Where images of the store at `root` are mounted in this namespace, newest first, by what the
/// kernel says: for a store that cannot be read any more.
std::vector<std::string> mounts_by_source(const std::filesystem::path& root);

/// Forgets records of mounts that are gone; for commands that remove images. No store is fine.
void forget_ended_mounts(const std::filesystem::path& root);

}  // namespace cli
