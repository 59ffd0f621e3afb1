#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/sys/lock.h"
#include "store/layout.h"

namespace store {

class Trash;

/// A private directory (mode 0700) for something unfinished, on the store's file system so that a
/// finished tree moves into the store by a rename. Gone at the end of its life; after a crash the
/// next open of the store removes it, because its lock is free. Move-only; the Store must outlive
/// it.
class StagingDir {
 public:
  StagingDir(const Layout& layout, Trash& trash, std::string_view purpose);
  StagingDir(StagingDir&& other) noexcept;
  StagingDir& operator=(StagingDir&& other) noexcept;
  ~StagingDir();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  void abandon() noexcept;

  std::filesystem::path path_;
  std::optional<sys::FileLock> lock_;
  Trash* trash_;
};

/// Deletes what was renamed to staging/trash-*. Deleting costs nothing that a user waits for: trees
/// collect here and go when flush() is called or the store is closed. May be shared by threads.
class Trash {
 public:
  explicit Trash(Layout layout) : layout_(std::move(layout)) {}

  /// Renames `path` (file or tree, on the store's file system) to trash. Absent is fine.
  void discard(const std::filesystem::path& path);
  /// Deletes all trash there is, also that of processes that died. What another process is just
  /// deleting, or what cannot be deleted now, stays for a later call.
  void flush() noexcept;
  /// True when discard() was called since the last flush().
  bool pending() const { return pending_; }

 private:
  Layout layout_;
  std::atomic<bool> pending_ = false;
};

/// Removes the staging entries whose owner died. Takes no time that grows with their size: they
/// become trash. Returns how many there were. [spec/security.md S6]
size_t remove_dead_staging(const Layout& layout, Trash& trash);

}  // namespace store
