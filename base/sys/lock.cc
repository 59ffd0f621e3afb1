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

}  // namespace sys
