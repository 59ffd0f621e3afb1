#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>

namespace sys {

/// Told after each piece how many bytes it had; may throw to end the copy.
using Copied = std::function<void(uint64_t bytes)>;

/// Whether a regular file is shorter on disk than it says. Others are copied from their beginning to
/// their end.
bool has_holes(const struct stat& st);

/// Copies a regular file, `st` its status, into an empty one, both open at their beginnings: inside the
/// kernel and by sharing extents where the file systems can (copy_file_range(2)), holes stay holes.
/// Writing to the disk begins while a large copy runs, so that the syncfs that follows has less to wait
/// for. Throws SystemError that names only the call: the caller knows the file.
void copy_content(int from, int to, const struct stat& st, const Copied& copied = {});

}  // namespace sys
