#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

namespace sys {

/// Removes `name` in `dir_fd` with everything below it: by descriptor, never following a link,
/// never crossing into another file system, whatever the depth and the modes. Absent is fine.
/// Throws SystemError.
void remove_tree_at(int dir_fd, const char* name);
/// The same for a path the caller trusts.
void remove_tree(const std::filesystem::path& path);

/// Makes an open file (O_PATH is enough), or a directory with everything below it, somebody's:
/// links themselves and not what they lead to, other file systems left out. Throws SystemError.
void give_tree(int fd, uid_t uid, gid_t gid);

/// Bytes on disk (st_blocks) below a directory, hard links counted once.
uint64_t disk_usage(const std::filesystem::path& directory);

}  // namespace sys
