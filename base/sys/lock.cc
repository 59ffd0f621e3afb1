#include "base/sys/lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "base/error.h"

namespace sys {

namespace {

UniqueFd open_lock_file(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) base::throw_errno("open lock file " + path.string());
  return fd;
}

int operation(FileLock::Mode mode) { return mode == FileLock::Mode::kShared ? LOCK_SH : LOCK_EX; }

}  // namespace

FileLock FileLock::acquire(const std::filesystem::path& path, Mode mode) {
  UniqueFd fd = open_lock_file(path);
  while (::flock(fd.get(), operation(mode)) < 0)
    if (errno != EINTR) base::throw_errno("lock " + path.string());
  return FileLock(std::move(fd));
}

std::optional<FileLock> FileLock::try_acquire(const std::filesystem::path& path, Mode mode) {
  UniqueFd fd = open_lock_file(path);
  while (::flock(fd.get(), operation(mode) | LOCK_NB) < 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) base::throw_errno("lock " + path.string());
  }
  return FileLock(std::move(fd));
}

std::optional<LifeLock> LifeLock::try_acquire(const std::filesystem::path& path) {
  UniqueFd fd = open_lock_file(path);
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole) == 0) return LifeLock(std::move(fd));
  if (errno == EAGAIN || errno == EACCES) return std::nullopt;
  base::throw_errno("lock " + path.string());
}

bool LifeLock::is_held(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    base::throw_errno("open lock file " + path.string());
  }
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  if (::fcntl(fd.get(), F_OFD_GETLK, &whole) < 0)
    base::throw_errno("look at lock " + path.string());
  return whole.l_type != F_UNLCK;
}

}  // namespace sys
