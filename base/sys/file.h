#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/sys/fd.h"

namespace sys {

/// Reads a regular file named by the user: links to it are followed, but a fifo, device or
/// directory is refused instead of waited for. Throws SystemError, or Invalid above `limit` bytes.
std::string read_user_file(const std::filesystem::path& path, uint64_t limit);
/// The same, nullopt when there is no such file.
std::optional<std::string> find_user_file(const std::filesystem::path& path, uint64_t limit);
/// Opens such a file for streaming.
UniqueFd open_user_file(const std::filesystem::path& path);

/// Makes a file appear whole: written beside, fsynced, renamed over `path`, directory fsynced.
void write_file_durably(const std::filesystem::path& path, std::string_view content, mode_t mode);

/// fsync of a directory, so that renames in it last.
void sync_directory(const std::filesystem::path& directory);
/// syncfs of the file system that holds `fd`.
void sync_filesystem(int fd);

/// Creates a directory and missing parents (0700 unless told); existing ones are fine.
void make_directories(const std::filesystem::path& directory, mode_t mode = 0700);

}  // namespace sys
