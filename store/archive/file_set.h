#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/sys/fd.h"
#include "base/sys/root.h"
#include "base/sys/rooted_path.h"

namespace archive {

/// The bytes of one regular file, wherever they lie: a whole file, or a stretch of a tar. A value;
/// copies share the descriptor and may be read by different threads.
class FileSlice {
 public:
  FileSlice(std::shared_ptr<const sys::UniqueFd> fd, uint64_t offset, uint64_t size_bytes,
            std::string name);
  uint64_t size_bytes() const { return size_bytes_; }
  /// As shown in messages, made printable.
  const std::string& name() const { return name_; }
  /// The first min(n, size) bytes.
  std::string head(size_t n) const;
  /// All of it. Throws Invalid above `limit`.
  std::string read_text(uint64_t limit) const;
  /// A new reader from the beginning. It throws Corrupt if the file is shorter than it was.
  std::unique_ptr<base::Source> open() const;

 private:
  std::shared_ptr<const sys::UniqueFd> fd_;
  uint64_t offset_;
  uint64_t size_bytes_;
  std::string name_;
};

/// Named files of an untrusted bundle, looked up and never unpacked.
class FileSet {
 public:
  virtual ~FileSet() = default;
  /// Nullopt when nothing has that name. Throws Invalid when it is no regular file.
  virtual std::optional<FileSlice> find(const sys::RootedPath& path) const = 0;
  /// How messages call the whole: the path the user gave.
  virtual const std::string& name() const = 0;
};

/// A directory. Links are not followed in the last component and never lead outside; a fifo or a
/// device is refused instead of waited for. [spec/security.md F10]
std::unique_ptr<FileSet> directory_files(sys::Root root, std::string name);

}  // namespace archive
