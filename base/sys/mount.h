#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/fd.h"

namespace sys {

/// One file system being configured (fsopen(2)). Throws SystemError with the kernel's own message
/// from the context's log where there is one.
class FsContext {
 public:
  explicit FsContext(const char* type);
  void set_string(const char* key, const std::string& value);
  void set_flag(const char* key);
  /// True when the kernel knows the key (probed by trying), false on EINVAL.
  bool try_set_string(const char* key, const std::string& value);
  /// Creates the superblock and returns a detached mount: a directory descriptor of the new tree,
  /// attached nowhere. `attributes` are MOUNT_ATTR_* bits.
  UniqueFd mount(uint64_t attributes);

 private:
  [[noreturn]] void fail(const std::string& operation);
  UniqueFd fd_;
  std::string type_;
};

/// Whether what is mounted below one copy of a mount shows below its others. [mount_namespaces(7)]
enum class Propagation {
  kPrivate,  ///< never
  kSlave,    ///< what is mounted below the original shows below the copy
  kShared,   ///< and the other way round
};

/// A detached copy of the mount at `path` below `dir_fd` (open_tree with OPEN_TREE_CLONE). kSlave
/// and kShared are as good as what the original is: a private one shares with nobody.
UniqueFd clone_mount(int dir_fd, const char* path, bool recursive,
                     Propagation propagation = Propagation::kPrivate);
/// A detached copy of what a process sees as /, without the mounts below it; the process may be in
/// another mount namespace. Any thread.
UniqueFd clone_root_of(pid_t process);
/// Attaches a detached mount on the directory or file that `target_fd` names.
void attach_mount(int mount_fd, int target_fd);
/// Attaches a detached mount at a path the caller trusts.
void attach_mount(int mount_fd, const std::string& path);
/// Adds MOUNT_ATTR_* bits to a mount (mount_setattr).
void set_mount_attributes(int mount_fd, uint64_t attributes, bool recursive);
/// Shows the files of a detached mount with the ids of a user namespace: what is owned by id 0 on
/// disk is owned by that namespace's 0, and what its 0 writes is owned by 0 on disk
/// (MOUNT_ATTR_IDMAP, Linux 5.12; file systems know it or not). Throws Unsupported (id
/// "no-id-mapping") naming `what`.
void map_mount_ids(int mount_fd, int user_namespace, const std::string& what);
/// How a mount that is still in use is taken away.
enum class Unmount {
  kLazily,     ///< out of sight now, gone with its last user
  kWhenUnused  ///< refused with EBUSY
};
/// Takes away the mount at a path the caller trusts, without following a final link.
void unmount(const std::string& path, Unmount how = Unmount::kLazily);

/// One line of a mountinfo file. [proc_pid_mountinfo(5)]
struct MountInfo {
  uint64_t id = 0;     ///< unique while mounted, then given out again
  std::string device;  ///< "MAJOR:MINOR" of the file system
  std::string point;   ///< where it is, from the reader's root; bytes
  std::string source;  ///< what it was mounted from, as its maker says; bytes
  bool is_shared =
      false;  ///< has peers that see what is mounted below it, and it what is below them
  bool is_slave = false;  ///< sees what is mounted below its master
};
/// Reads the text of a mountinfo file. Lines it does not understand are left out.
std::vector<MountInfo> parse_mountinfo(std::string_view text);
/// The mounts of this process's namespace. Throws SystemError.
std::vector<MountInfo> list_mounts();
/// The id of the mount that an open file (O_PATH too) is reached through.
uint64_t mount_id(int fd);

}  // namespace sys
