#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/sys/lock.h"
#include "store/store.h"

namespace solve {

/// One directory of RUN --mount=type=cache, as a listing shows it.
struct CacheMount {
  std::string key;  ///< names it for torte: hex digits, with ".N" for the Nth copy of a private one
  std::string id;   ///< names it for recipes; any text
  uint64_t size_bytes = 0;
  std::chrono::system_clock::time_point last_used;
  bool in_use = false;
};

/// The directories of cache mounts, in cache-mounts/KEY/{id,tree} beside a lock KEY.lock: held
/// shared by steps that share it, exclusively by one that wants it alone and while it is removed.
class CacheMounts {
 public:
  explicit CacheMounts(const store::Layout& layout) : root_(layout.cache_mounts()) {}

  /// The key of an id in a name space, when first filled from `initial`.
  static std::string key(std::string_view name_space, std::string_view id,
                         std::string_view initial);

  /// A directory that stays while this lives.
  struct Held {
    std::filesystem::path directory;
    sys::FileLock lock;
  };
  /// Waits for it; `waiting` is called once before a wait. Throws Cancelled when asked to stop.
  Held hold(const std::string& key, sys::FileLock::Mode mode, const std::stop_token& stop,
            const std::function<void()>& waiting) const;
  /// The first copy of it that nobody has.
  Held hold_free_copy(const std::string& key) const;
  /// Excludes others that would fill new directories.
  sys::FileLock creating() const;

  /// By id. Measures every directory.
  std::vector<CacheMount> list() const;
  /// False when a step uses it.
  bool remove(const CacheMount& mount, store::Store& store) const;

 private:
  std::optional<Held> try_hold(const std::string& key, sys::FileLock::Mode mode) const;
  std::filesystem::path root_;
};

}  // namespace solve
