#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/sys/root.h"
#include "store/layer/tar_digest.h"

namespace layer {

/// A regular file whose content is still being written. The writer says how far it is.
class GrowingFile {
 public:
  virtual ~GrowingFile() = default;
  /// That many more bytes, from where the last ones ended, will not change any more.
  virtual void add(uint64_t bytes) = 0;
};

/// A regular file whose content comes from memory.
class StreamedFile {
 public:
  virtual ~StreamedFile() = default;
  /// The next bytes, which `keep` owns. They must not change until the next call returns, or the
  /// file is done with; waits until the bytes before them were hashed.
  virtual void add(base::Bytes bytes, std::shared_ptr<const void> keep) = 0;
};

/// Hashes the canonical tar of a tree on a thread of its own while the tree is being made, so that
/// nobody waits for the hash afterwards. Each thing is announced when it will not change any more,
/// but a directory before what is in it, and a large file before its content.
///
/// It promises nothing: when the order of the announcements is not that of the canonical tar, or a
/// file cannot be read, finish() has no answer, and write_tree() must go through the tree.
/// What is announced must be announced by one thread. An announcement may wait for the hashing.
///
///   TreeFollower follower(tree, mtime);
///   follower.directory("etc", fd, mtime);
///   follower.entry("etc/hosts");
///   std::optional<TarDigest> digest = std::move(follower).finish();
class TreeFollower {
 public:
  /// `tree`: the root, which will be as it is now, but for its time.
  TreeFollower(const sys::Root& tree, const timespec& mtime);
  TreeFollower(TreeFollower&&) noexcept;
  TreeFollower& operator=(TreeFollower&&) noexcept;
  ~TreeFollower();

  /// A directory that will be as `fd` is now, but for its time.
  void directory(const std::string& path, int fd, const timespec& mtime);
  /// Anything else, as it is now.
  void entry(const std::string& path);
  /// A regular file without extended attributes that will have this status. Its content must be
  /// there before the next announcement.
  std::shared_ptr<GrowingFile> growing(const std::string& path, const struct stat& st);
  /// The same for a file that would better not be read again.
  std::shared_ptr<StreamedFile> streamed(const std::string& path, const struct stat& st);
  /// The tree will hold something that is not announced.
  void abandon();

  /// Waits for the hash.
  std::optional<TarDigest> finish() &&;

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace layer
