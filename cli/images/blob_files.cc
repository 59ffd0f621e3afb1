#include "cli/images/blob_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/sys/file.h"
#include "store/layout.h"

namespace cli {

namespace {

/// A file that is closed at the end.
class FileSource : public base::Source {
 public:
  FileSource(sys::UniqueFd fd, std::string name)
      : fd_(std::move(fd)), source_(fd_.get(), std::move(name)) {}
  size_t read(std::span<std::byte> buffer) override { return source_.read(buffer); }

 private:
  sys::UniqueFd fd_;
  sys::FdSource source_;
};

}  // namespace

std::unique_ptr<base::Source> open_blob_file(const std::filesystem::path& file, uint64_t offset) {
  sys::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno == ENOENT)
    throw base::Error(base::Code::kNotFound, "there is no blob " + file.string(), "blob-missing");
  struct stat st;
  if (!fd || ::fstat(fd.get(), &st) < 0) base::throw_errno("open " + file.string());
  if (!S_ISREG(st.st_mode))
    throw base::Error(base::Code::kInvalid, file.string() + " is not a regular file", "blob-file");
  if (::lseek(fd.get(), static_cast<off_t>(offset), SEEK_SET) < 0)
    base::throw_errno("seek in " + file.string());
  return std::make_unique<FileSource>(std::move(fd), file.string());
}

void write_blob_file(const std::filesystem::path& file,
                     const std::function<std::unique_ptr<base::Source>()>& open) {
  if (std::filesystem::exists(file)) return;
  sys::make_directories(file.parent_path(), 0755);
  std::filesystem::path beside = file.parent_path() / store::unique_name(".part");
  sys::UniqueFd fd(
      ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd) base::throw_errno("create " + beside.string());
  try {
    sys::FdSink sink(fd.get(), beside.string());
    auto source = open();
    base::copy(*source, sink);
    if (::fsync(fd.get()) < 0) base::throw_errno("sync " + beside.string());
    if (::rename(beside.c_str(), file.c_str()) < 0) base::throw_errno("rename " + beside.string());
  } catch (...) {
    ::unlink(beside.c_str());
    throw;
  }
}

}  // namespace cli
