#pragma once

#include <sys/types.h>

#include <ctime>
#include <optional>
#include <string>

#include "base/sys/root.h"

namespace overlay {

/// Owner, mode and time for something that is created. Unset times are left as the kernel made
/// them.
struct Attributes {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0755;  ///< permission bits with setid and sticky
  std::optional<timespec> mtime;
};

/// A directory of a snapshot that is being written. Files are created in fd(); for a directory that
/// exists in no layer below, that is the writable layer itself, so that bulk work does not pay for
/// the overlay. Owns its descriptors; move-only; one thread.
class Target {
 public:
  /// The root of a snapshot: `merged` is the mounted overlay, `upper` its writable layer.
  static Target root(const sys::Root& merged, const sys::Root& upper);
  /// The root of a tree with nothing below it.
  static Target fresh_root(const sys::Root& tree);

  int fd() const { return fd_.get(); }
  /// True when nothing below can show through: every name here was created by this writer.
  bool is_fresh() const { return fresh_; }
  const sys::RootedPath& path() const { return path_; }

  /// Status of `name` here, not followed; nullopt when absent.
  std::optional<struct stat> find(const std::string& name) const;
  /// Opens an existing directory `name`. Throws SystemError if it is none.
  Target open(const std::string& name) const;
  /// Creates directory `name` (which must be absent) with mode 0700 and opens it.
  Target create(const std::string& name) const;
  /// Walks to a directory below, creating what is missing with `attributes`. The path must be free
  /// of links (resolve it first). Throws Invalid when a component is not a directory.
  Target make_path(const sys::RootedPath& below, const Attributes& attributes) const;

 private:
  Target(sys::UniqueFd fd, const sys::Root* upper, sys::RootedPath path, bool fresh)
      : fd_(std::move(fd)), upper_(upper), path_(std::move(path)), fresh_(fresh) {}

  sys::UniqueFd fd_;
  const sys::Root* upper_;
  sys::RootedPath path_;
  bool fresh_;
};

/// Sets owner, mode and time of an open file or directory, in the order that keeps set-id bits.
void set_attributes(int fd, const Attributes& attributes, const std::string& name);
/// The same for a link, fifo or device `name` in `dir_fd`; links keep their mode.
void set_attributes_at(int dir_fd, const std::string& name, bool is_link,
                       const Attributes& attributes);

}  // namespace overlay
