#include "base/sys/root.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>

#include "base/error.h"
#include "base/text.h"

namespace sys {

namespace {

// EAGAIN means that a rename or mount elsewhere raced with the look-up; a hostile process could
// keep that up, so the number of tries is bounded.
int openat2_in_root(int root, const char* path, int flags, mode_t mode, uint64_t resolve) {
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = resolve;
  for (int attempt = 0;; ++attempt) {
    int fd = static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || attempt == 128) return fd;
  }
}

std::string proc_path(int fd) { return base::str("/proc/self/fd/", fd); }

}  // namespace

Root Root::open(const std::filesystem::path& directory) {
  UniqueFd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) base::throw_errno("open directory " + directory.string());
  return Root(std::move(fd));
}

UniqueFd Root::open_at(const RootedPath& path, int flags, mode_t mode) const {
  UniqueFd fd(openat2_in_root(fd_.get(), path.relative(), flags, mode,
                              RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
  if (!fd) base::throw_errno("open " + base::printable(path.str()));
  return fd;
}

std::optional<UniqueFd> Root::find_at(const RootedPath& path, int flags) const {
  UniqueFd fd(openat2_in_root(fd_.get(), path.relative(), flags, 0,
                              RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
  if (fd) return fd;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  base::throw_errno("open " + base::printable(path.str()));
}

std::optional<struct stat> Root::lstat(const RootedPath& path) const {
  std::optional<UniqueFd> fd = find_at(path, O_PATH | O_NOFOLLOW);
  if (!fd) return std::nullopt;
  struct stat st;
  if (::fstat(fd->get(), &st) < 0) base::throw_errno("stat " + base::printable(path.str()));
  return st;
}

std::optional<struct stat> Root::stat(const RootedPath& path) const {
  std::optional<UniqueFd> fd = find_at(path, O_PATH);
  if (!fd) return std::nullopt;
  struct stat st;
  if (::fstat(fd->get(), &st) < 0) base::throw_errno("stat " + base::printable(path.str()));
  return st;
}

RootedPath Root::resolve(const RootedPath& path) const {
  std::deque<std::string> todo;
  for (std::string& component : path.components()) todo.push_back(std::move(component));
  RootedPath done;
  int links = 0;
  while (!todo.empty()) {
    std::string component = std::move(todo.front());
    todo.pop_front();
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      done = done.parent();
      continue;
    }
    RootedPath next = done.below(component);
    std::optional<struct stat> st = lstat(next);
    if (!st || !S_ISLNK(st->st_mode)) {
      done = next;
      continue;
    }
    if (++links > 255)
      throw base::Error(base::Code::kInvalid,
                        "too many symbolic links in " + base::printable(path.str()),
                        "too-many-links");
    UniqueFd link = open_at(next, O_PATH | O_NOFOLLOW);
    std::string target = read_link_at(link.get(), "");
    std::vector<std::string> parts = base::split(target, '/');
    todo.insert(todo.begin(), parts.begin(), parts.end());
    if (target.starts_with('/')) done = RootedPath();
  }
  return done;
}

Root Root::subdirectory(const RootedPath& path) const {
  return Root(open_at(path, O_PATH | O_DIRECTORY));
}

std::optional<std::string> Root::read_file(const RootedPath& path, uint64_t limit) const {
  // O_NONBLOCK so that a fifo cannot hold us.
  std::optional<UniqueFd> fd = find_at(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::nullopt;
  struct stat st;
  if (::fstat(fd->get(), &st) < 0) base::throw_errno("stat " + base::printable(path.str()));
  if (!S_ISREG(st.st_mode))
    throw base::Error(base::Code::kInvalid, base::printable(path.str()) + " is not a regular file",
                      "not-a-file");
  FdSource source(fd->get(), base::printable(path.str()));
  return base::with_context(base::printable(path.str()),
                            [&] { return base::read_all(source, limit); });
}

std::string read_link_at(int dir_fd, const char* name) {
  std::string target(256, '\0');
  for (;;) {
    ssize_t n = ::readlinkat(dir_fd, name, target.data(), target.size());
    if (n < 0) base::throw_errno(base::str("read link ", base::printable(name)));
    if (static_cast<size_t>(n) < target.size()) {
      target.resize(static_cast<size_t>(n));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

namespace {

// The three shapes of the xattr calls (descriptor, path without following) behind one loop.
template <typename List, typename Get>
Xattrs collect_xattrs(List list, Get get) {
  Xattrs attributes;
  ssize_t size = list(nullptr, 0);
  if (size < 0 && (errno == ENOTSUP || errno == EPERM)) return attributes;
  if (size < 0) base::throw_errno("list extended attributes");
  if (size == 0) return attributes;
  std::string names(static_cast<size_t>(size), '\0');
  size = list(names.data(), names.size());
  if (size < 0) base::throw_errno("list extended attributes");
  for (const char* name = names.data(); name < names.data() + size; name += std::strlen(name) + 1) {
    ssize_t length = get(name, nullptr, 0);
    if (length < 0) continue;  // gone, or not for us to read (security.* as ordinary user)
    std::string value(static_cast<size_t>(length), '\0');
    length = get(name, value.data(), value.size());
    if (length < 0) base::throw_errno(base::str("read extended attribute ", name));
    value.resize(static_cast<size_t>(length));
    attributes.emplace(name, std::move(value));
  }
  return attributes;
}

}  // namespace

Xattrs list_xattrs(int fd) {
  return collect_xattrs(
      [&](char* buffer, size_t n) { return ::flistxattr(fd, buffer, n); },
      [&](const char* name, char* buffer, size_t n) { return ::fgetxattr(fd, name, buffer, n); });
}

Xattrs list_xattrs_at(int dir_fd, const char* name) {
  std::string path = base::str(proc_path(dir_fd), "/", name);
  return collect_xattrs(
      [&](char* buffer, size_t n) { return ::llistxattr(path.c_str(), buffer, n); },
      [&](const char* attribute, char* buffer, size_t n) {
        return ::lgetxattr(path.c_str(), attribute, buffer, n);
      });
}

void set_xattr(int fd, const std::string& name, const std::string& value) {
  if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) < 0)
    base::throw_errno("set extended attribute " + base::printable(name));
}

void set_xattr_at(int dir_fd, const char* name, const std::string& attribute,
                  const std::string& value) {
  std::string path = base::str(proc_path(dir_fd), "/", name);
  if (::lsetxattr(path.c_str(), attribute.c_str(), value.data(), value.size(), 0) < 0)
    base::throw_errno("set extended attribute " + base::printable(attribute));
}

UniqueFd open_nofollow_at(int dir_fd, const char* name, int flags, mode_t mode) {
  UniqueFd fd(::openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) base::throw_errno("open " + base::printable(name));
  return fd;
}

std::vector<std::string> list_names(int dir_fd) {
  // A descriptor of its own: the position of a directory stream is shared between duplicates.
  UniqueFd fd(::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) base::throw_errno("open directory");
  DIR* stream = ::fdopendir(fd.get());
  if (stream == nullptr) base::throw_errno("read directory");
  fd.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
      names.emplace_back(entry->d_name);
  }
  int error = errno;
  ::closedir(stream);
  if (error != 0) throw base::SystemError("read directory", error);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace sys
