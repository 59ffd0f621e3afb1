#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace sys {

/// Told after each piece how many bytes it had; may throw to end the copy.
using Copied = std::function<void(uint64_t bytes)>;

/// Whether a regular file is shorter on disk than it says. Others are copied from their beginning
/// to their end.
bool has_holes(const struct stat& st);

/// Copies a regular file, `st` its status, into an empty one, both open at their beginnings: inside
/// the kernel and by sharing extents where the file systems can (copy_file_range(2)), holes stay
/// holes. Writing to the disk begins while a large copy runs, so that the syncfs that follows has
/// less to wait for. Throws SystemError that names only the call: the caller knows the file.
void copy_content(int from, int to, const struct stat& st, const Copied& copied = {});

/// Told of each piece in order, before it is written. It may read the bytes, on any thread, until
/// the next call returns; `keep` owns them.
using Piece =
    std::function<void(std::span<const std::byte> bytes, std::shared_ptr<const void> keep)>;

/// Copies a regular file without holes so that only the source is in the page cache afterwards
/// (O_DIRECT): for large ones that nobody will read soon, whose pages cost more than the disk does.
/// An ordinary copy where the file system knows no such writing. Throws like copy_content().
void copy_past_cache(int from, int to, const struct stat& st, const Piece& piece);

/// Gives an empty file the extents of another one (FICLONE). False where the file systems cannot.
bool share_extents(int from, int to);

}  // namespace sys
