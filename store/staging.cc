#include "store/staging.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "base/text.h"

namespace store {

namespace {

using sys::FileLock;

std::optional<sys::UniqueFd> open_directory(const std::filesystem::path& path) {
  sys::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOENT) return std::nullopt;
  base::throw_errno("open " + path.string());
}

bool is_trash(std::string_view name) { return name.substr(0, kTrashPrefix.size()) == kTrashPrefix; }

}  // namespace

StagingDir::StagingDir(const Layout& layout, Trash& trash, std::string_view purpose)
    : path_(layout.staging() / unique_name(purpose)), trash_(&trash) {
  // A directory is made and locked in two calls; in between it would look dead. Makers hold this
  // lock shared meanwhile, and whoever looks for the dead holds it alone.
  FileLock making = FileLock::acquire(layout.staging_lock(), FileLock::Mode::kShared);
  if (::mkdir(path_.c_str(), 0700) < 0) base::throw_errno("create " + path_.string());
  try {
    lock_ = FileLock::acquire(path_ / "lock", FileLock::Mode::kExclusive);
  } catch (...) {
    ::rmdir(path_.c_str());
    throw;
  }
}

StagingDir& StagingDir::operator=(StagingDir&& other) noexcept {
  if (this != &other) {
    abandon();
    path_ = std::move(other.path_);
    lock_ = std::move(other.lock_);
    other.lock_.reset();
    trash_ = other.trash_;
  }
  return *this;
}

StagingDir::StagingDir(StagingDir&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::move(other.lock_)), trash_(other.trash_) {
  other.lock_.reset();
}

StagingDir::~StagingDir() { abandon(); }

void StagingDir::abandon() noexcept {
  if (!lock_) return;
  try {
    trash_->discard(path_);
  } catch (const base::Error&) {
    // Its lock is about to be free: the next open of the store takes it away.
  }
  lock_.reset();
}

void Trash::discard(const std::filesystem::path& path) {
  const std::filesystem::path target =
      layout_.staging() / unique_name(kTrashPrefix.substr(0, kTrashPrefix.size() - 1));
  if (::rename(path.c_str(), target.c_str()) == 0) {
    pending_ = true;
  } else if (errno != ENOENT) {
    base::throw_errno("discard " + path.string());
  }
}

void Trash::flush() noexcept {
  pending_ = false;
  try {
    std::optional<sys::UniqueFd> staging = open_directory(layout_.staging());
    if (!staging) return;
    for (const std::string& name : sys::list_names(staging->get())) {
      if (!is_trash(name)) continue;
      try {
        // A lock on the directory itself keeps two processes from working at one tree.
        sys::UniqueFd tree(::openat(staging->get(), name.c_str(),
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (tree && ::flock(tree.get(), LOCK_EX | LOCK_NB) < 0) continue;
        sys::remove_tree_at(staging->get(), name.c_str());
      } catch (const base::Error&) {
        // Stays for a later flush, perhaps by somebody with more rights.
      }
    }
  } catch (const base::Error&) {
  }
}

size_t remove_dead_staging(const Layout& layout, Trash& trash) {
  std::optional<sys::UniqueFd> staging = open_directory(layout.staging());
  if (!staging) return 0;
  std::vector<std::string> names;
  for (std::string& name : sys::list_names(staging->get()))
    if (!is_trash(name)) names.push_back(std::move(name));
  if (names.empty()) return 0;
  std::optional<FileLock> alone =
      FileLock::try_acquire(layout.staging_lock(), FileLock::Mode::kExclusive);
  if (!alone) return 0;
  size_t dead = 0;
  for (const std::string& name : names) {
    const std::filesystem::path entry = layout.staging() / name;
    try {
      std::optional<FileLock> lock =
          FileLock::try_acquire(entry / "lock", FileLock::Mode::kExclusive);
      if (!lock) continue;
      trash.discard(entry);
      ++dead;
    } catch (const base::Error&) {
      // Gone meanwhile, or not ours to touch.
    }
  }
  return dead;
}

}  // namespace store
