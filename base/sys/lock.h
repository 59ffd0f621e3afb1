#pragma once

#include <filesystem>
#include <optional>

#include "base/sys/fd.h"

namespace sys {

/// An advisory lock on a file (flock(2)); a killed holder frees it by itself. Move-only.
class FileLock {
 public:
  enum class Mode { kShared, kExclusive };
  /// Creates the file if needed and waits for the lock. Throws SystemError.
  static FileLock acquire(const std::filesystem::path& path, Mode mode);
  /// nullopt when somebody else holds it.
  static std::optional<FileLock> try_acquire(const std::filesystem::path& path, Mode mode);
  int fd() const { return fd_.get(); }

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

/// An exclusive lock that says "somebody lives here": others can ask without disturbing it, it
/// passes to a child with its descriptor, and the death of the last holder frees it. (An open file
/// description lock, fcntl(2).) Move-only.
class LifeLock {
 public:
  /// Creates the file if needed; nullopt when somebody else holds it. Throws SystemError.
  static std::optional<LifeLock> try_acquire(const std::filesystem::path& path);
  /// Whether anybody holds it; no file is nobody.
  static bool is_held(const std::filesystem::path& path);
  /// Takes over a descriptor that was inherited with its lock.
  static LifeLock adopt(UniqueFd fd) { return LifeLock(std::move(fd)); }
  int fd() const { return fd_.get(); }

 private:
  explicit LifeLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace sys
