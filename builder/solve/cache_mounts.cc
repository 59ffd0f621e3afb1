#include "builder/solve/cache_mounts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/sys/tree.h"
#include "base/text.h"

namespace solve {

namespace {

constexpr std::string_view kLockSuffix = ".lock";
constexpr uint64_t kMostIdBytes = 64 << 10;
constexpr std::chrono::milliseconds kPoll{20};

// Whoever removes a directory removes its lock too, while others may be waiting for that very file.
bool is_still_there(const sys::FileLock& lock, const std::filesystem::path& path) {
  struct stat held;
  struct stat there;
  return ::fstat(lock.fd(), &held) == 0 && ::stat(path.c_str(), &there) == 0 &&
         held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

}  // namespace

std::string CacheMounts::key(std::string_view name_space, std::string_view id,
                             std::string_view initial) {
  // The id comes from the recipe: it names a directory only through its digest.
  return base::sha256_hex(base::as_bytes(base::str(name_space, '\0', id, '\0', initial)))
      .substr(0, 32);
}

std::optional<CacheMounts::Held> CacheMounts::try_hold(const std::string& key,
                                                       sys::FileLock::Mode mode) const {
  const std::filesystem::path path = root_ / base::str(key, kLockSuffix);
  for (;;) {
    std::optional<sys::FileLock> lock = sys::FileLock::try_acquire(path, mode);
    if (!lock) return std::nullopt;
    if (!is_still_there(*lock, path)) continue;
    ::futimens(lock->fd(), nullptr);  // when it was last used
    return Held{root_ / key, std::move(*lock)};
  }
}

CacheMounts::Held CacheMounts::hold(const std::string& key, sys::FileLock::Mode mode,
                                    const std::stop_token& stop,
                                    const std::function<void()>& waiting) const {
  sys::make_directories(root_);
  for (bool told = false;; told = true) {
    if (std::optional<Held> held = try_hold(key, mode)) return std::move(*held);
    if (!told) waiting();
    if (stop.stop_requested())
      throw base::Error(base::Code::kCancelled, "build cancelled", "cancelled");
    std::this_thread::sleep_for(kPoll);
  }
}

CacheMounts::Held CacheMounts::hold_free_copy(const std::string& key) const {
  sys::make_directories(root_);
  for (int copy = 0;; ++copy)
    if (std::optional<Held> held =
            try_hold(base::str(key, ".", copy), sys::FileLock::Mode::kExclusive))
      return std::move(*held);
}

sys::FileLock CacheMounts::creating() const {
  return sys::FileLock::acquire(root_ / "create.lock", sys::FileLock::Mode::kExclusive);
}

std::vector<CacheMount> CacheMounts::list() const {
  std::vector<CacheMount> all;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(root_, absent)) {
    CacheMount mount;
    mount.key = entry.path().filename();
    struct stat st;
    if (mount.key.ends_with(kLockSuffix) || ::lstat((entry.path() / "tree").c_str(), &st) < 0)
      continue;
    mount.id = sys::find_user_file(entry.path() / "id", kMostIdBytes).value_or("");
    mount.size_bytes = sys::disk_usage(entry.path() / "tree");
    const std::filesystem::path lock = root_ / base::str(mount.key, kLockSuffix);
    if (::stat(lock.c_str(), &st) == 0) {
      mount.last_used = std::chrono::system_clock::from_time_t(st.st_mtime);
      mount.in_use = !sys::FileLock::try_acquire(lock, sys::FileLock::Mode::kExclusive);
    }
    all.push_back(std::move(mount));
  }
  std::sort(all.begin(), all.end(), [](const CacheMount& a, const CacheMount& b) {
    return std::tie(a.id, a.key) < std::tie(b.id, b.key);
  });
  return all;
}

bool CacheMounts::remove(const CacheMount& mount, store::Store& store) const {
  std::optional<Held> held = try_hold(mount.key, sys::FileLock::Mode::kExclusive);
  if (!held) return false;
  store.discard(held->directory);
  ::unlink((root_ / base::str(mount.key, kLockSuffix)).c_str());
  return true;
}

}  // namespace solve
