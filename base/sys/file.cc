#include "base/sys/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace sys {

namespace {

UniqueFd open_or_errno(const std::filesystem::path& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

void require_regular(int fd, const std::filesystem::path& path) {
  struct stat st;
  if (::fstat(fd, &st) < 0) base::throw_errno("stat " + path.string());
  if (!S_ISREG(st.st_mode))
    throw base::Error(base::Code::kInvalid, path.string() + " is not a regular file", "not-a-file");
}

std::string read_checked(const UniqueFd& fd, const std::filesystem::path& path, uint64_t limit) {
  require_regular(fd.get(), path);
  FdSource source(fd.get(), path.string());
  return base::with_context(path.string(), [&] { return base::read_all(source, limit); });
}

}  // namespace

UniqueFd open_user_file(const std::filesystem::path& path) {
  UniqueFd fd = open_or_errno(path);
  if (!fd) base::throw_errno("open " + path.string());
  require_regular(fd.get(), path);
  return fd;
}

std::string read_user_file(const std::filesystem::path& path, uint64_t limit) {
  return read_checked(open_user_file(path), path, limit);
}

std::optional<std::string> find_user_file(const std::filesystem::path& path, uint64_t limit) {
  UniqueFd fd = open_or_errno(path);
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!fd) base::throw_errno("open " + path.string());
  return read_checked(fd, path, limit);
}

void write_file_durably(const std::filesystem::path& path, std::string_view content, mode_t mode) {
  std::string beside = path.string() + base::str(".", ::getpid(), ".new");
  UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) base::throw_errno("create " + beside);
  try {
    write_all(fd.get(), base::as_bytes(content), beside);
    if (::fsync(fd.get()) < 0) base::throw_errno("sync " + beside);
    if (::rename(beside.c_str(), path.c_str()) < 0) base::throw_errno("rename to " + path.string());
  } catch (...) {
    ::unlink(beside.c_str());
    throw;
  }
  sync_directory(path.has_parent_path() ? path.parent_path() : ".");
}

void sync_directory(const std::filesystem::path& directory) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) < 0) base::throw_errno("sync directory " + directory.string());
}

void sync_filesystem(int fd) {
  if (::syncfs(fd) < 0) base::throw_errno("sync file system");
}

void make_directories(const std::filesystem::path& directory, mode_t mode) {
  if (::mkdir(directory.c_str(), mode) == 0 || errno == EEXIST) return;
  if (errno == ENOENT && directory.has_parent_path() && directory.parent_path() != directory) {
    make_directories(directory.parent_path(), mode);
    if (::mkdir(directory.c_str(), mode) == 0 || errno == EEXIST) return;
  }
  base::throw_errno("create directory " + directory.string());
}

}  // namespace sys
