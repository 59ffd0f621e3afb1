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

}  // namespace sys
