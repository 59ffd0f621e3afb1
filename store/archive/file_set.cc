#include "store/archive/file_set.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace archive {

namespace {

class SliceSource : public base::Source {
 public:
  SliceSource(std::shared_ptr<const sys::UniqueFd> fd, uint64_t offset, uint64_t rest,
              std::string name)
      : fd_(std::move(fd)), offset_(offset), rest_(rest), name_(std::move(name)) {}

  size_t read(std::span<std::byte> buffer) override {
    size_t want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), rest_));
    if (want == 0) return 0;
    ssize_t n;
    do {
      n = ::pread(fd_->get(), buffer.data(), want, static_cast<off_t>(offset_));
    } while (n < 0 && errno == EINTR);
    if (n < 0) base::throw_errno("read " + name_);
    if (n == 0)
      throw base::Error(base::Code::kCorrupt, name_ + ": ends before its size", "size-mismatch");
    offset_ += static_cast<uint64_t>(n);
    rest_ -= static_cast<uint64_t>(n);
    return static_cast<size_t>(n);
  }

 private:
  std::shared_ptr<const sys::UniqueFd> fd_;
  uint64_t offset_;
  uint64_t rest_;
  std::string name_;
};

class DirectoryFiles : public FileSet {
 public:
  DirectoryFiles(sys::Root root, std::string name)
      : root_(std::move(root)), name_(base::printable(name)) {}

  std::optional<FileSlice> find(const sys::RootedPath& path) const override {
    std::string shown = name_ + path.str();
    auto st = root_.lstat(path);
    if (!st) return std::nullopt;
    if (!S_ISREG(st->st_mode))
      throw base::Error(base::Code::kInvalid, shown + " is not a regular file", "not-a-file");
    sys::UniqueFd fd = root_.open_at(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    // Looked at again: what was opened counts, not what the name was before.
    struct stat opened;
    if (::fstat(fd.get(), &opened) < 0) base::throw_errno("stat " + shown);
    if (!S_ISREG(opened.st_mode))
      throw base::Error(base::Code::kInvalid, shown + " is not a regular file", "not-a-file");
    return FileSlice(std::make_shared<sys::UniqueFd>(std::move(fd)), 0,
                     static_cast<uint64_t>(opened.st_size), std::move(shown));
  }
  const std::string& name() const override { return name_; }

 private:
  sys::Root root_;
  std::string name_;
};

}  // namespace

FileSlice::FileSlice(std::shared_ptr<const sys::UniqueFd> fd, uint64_t offset, uint64_t size_bytes,
                     std::string name)
    : fd_(std::move(fd)), offset_(offset), size_bytes_(size_bytes), name_(std::move(name)) {}

std::string FileSlice::head(size_t n) const {
  std::string text(static_cast<size_t>(std::min<uint64_t>(n, size_bytes_)), '\0');
  auto source = open();
  text.resize(base::read_full(*source, std::as_writable_bytes(std::span(text))));
  return text;
}

std::string FileSlice::read_text(uint64_t limit) const {
  if (size_bytes_ > limit)
    throw base::Error(base::Code::kInvalid,
                      base::str(name_, ": ", size_bytes_, " bytes; the limit is ", limit),
                      "too-large");
  auto source = open();
  return base::read_all(*source, limit);
}

std::unique_ptr<base::Source> FileSlice::open() const {
  return std::make_unique<SliceSource>(fd_, offset_, size_bytes_, name_);
}

std::unique_ptr<FileSet> directory_files(sys::Root root, std::string name) {
  return std::make_unique<DirectoryFiles>(std::move(root), std::move(name));
}

}  // namespace archive
