#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "base/sys/rooted_path.h"

namespace sys {

/// A directory that paths may not leave. Every look-up goes through openat2 with RESOLVE_IN_ROOT
/// and RESOLVE_NO_MAGICLINKS, so links inside an untrusted tree resolve inside it. Below a Root
/// nobody builds string paths. Copy-free; may be shared by threads that only look up. [openat2(2);
/// spec: docs/ARCHITECTURE.md "Untrusted trees"]
class Root {
 public:
  Root() = default;
  /// Takes over a directory descriptor (O_PATH or readable).
  explicit Root(UniqueFd directory) : fd_(std::move(directory)) {}
  /// Opens a directory the caller trusts by name. Throws SystemError.
  static Root open(const std::filesystem::path& directory);

  int fd() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  Root duplicate() const { return Root(fd_.duplicate()); }

  /// Opens `path`, following links inside the root (unless flags has O_NOFOLLOW). O_CLOEXEC is
  /// added. Throws SystemError.
  UniqueFd open_at(const RootedPath& path, int flags, mode_t mode = 0) const;
  /// The same, or nullopt when nothing is there (ENOENT, ENOTDIR).
  std::optional<UniqueFd> find_at(const RootedPath& path, int flags) const;
  /// Status of the last component itself (no link followed there), or nullopt if absent.
  std::optional<struct stat> lstat(const RootedPath& path) const;
  /// Status with links followed inside the root, or nullopt.
  std::optional<struct stat> stat(const RootedPath& path) const;
  /// The path as it reads after following every link inside the root, last component included;
  /// missing components are kept as they are. Throws Invalid after 255 links.
  RootedPath resolve(const RootedPath& path) const;
  /// A Root for a directory below this one.
  Root subdirectory(const RootedPath& path) const;
  /// Reads a regular file of at most `limit` bytes, links followed inside; nullopt if absent.
  /// Throws Invalid when it is not a regular file or larger.
  std::optional<std::string> read_file(const RootedPath& path, uint64_t limit) const;

 private:
  UniqueFd fd_;
};

/// Link text of `name` in the directory `dir_fd`.
std::string read_link_at(int dir_fd, const char* name);

using Xattrs = std::map<std::string, std::string>;
/// All extended attributes of an open (not O_PATH) file.
Xattrs list_xattrs(int fd);
/// The same for `name` in `dir_fd` without following it (through the descriptor's /proc entry).
Xattrs list_xattrs_at(int dir_fd, const char* name);
void set_xattr(int fd, const std::string& name, const std::string& value);
/// Sets an attribute on `name` in `dir_fd` without following it.
void set_xattr_at(int dir_fd, const char* name, const std::string& attribute,
                  const std::string& value);

/// Opens `name` in `dir_fd` with O_NOFOLLOW and O_CLOEXEC added. Throws SystemError.
UniqueFd open_nofollow_at(int dir_fd, const char* name, int flags, mode_t mode = 0);

/// Names in a directory, sorted by bytes, without "." and "..".
std::vector<std::string> list_names(int dir_fd);

}  // namespace sys
