#include "base/sys/fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace sys {

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

UniqueFd UniqueFd::duplicate() const {
  int fd = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) base::throw_errno("duplicate descriptor");
  return UniqueFd(fd);
}

size_t FdSource::read(std::span<std::byte> buffer) {
  for (;;) {
    ssize_t n = ::read(fd_, buffer.data(), buffer.size());
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) base::throw_errno("read " + name_);
  }
}

void FdSink::write(base::Bytes bytes) { write_all(fd_, bytes, name_); }

void write_all(int fd, base::Bytes bytes, const std::string& name) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) base::throw_errno("write " + name);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) base::throw_errno("create pipe");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

UniqueFd sealed_memfd(const char* name, base::Bytes content) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) base::throw_errno("create memory file");
  write_all(fd.get(), content, name);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
    base::throw_errno("seal memory file");
  return fd;
}

}  // namespace sys
