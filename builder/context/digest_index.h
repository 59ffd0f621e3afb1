#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"

namespace context {

using FileDigest = std::array<std::byte, 32>;

/// What identifies the content of a file without reading it, as in git's index.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;

  static FileStamp of(const struct stat& st);
  bool operator==(const FileStamp&) const = default;
};

/// Remembers the digests of files that have not changed since an earlier build.
///
/// A file changed in the same clock tick as the scan that recorded it could keep its stamp, so an
/// entry is believed only if both its times lie before the moment the scan began (git's rule).
///
/// On disk: magic "torte-index-1\n", scan start in ns (8 bytes), number of entries (8 bytes), then
/// entries of 5 x 8 bytes of stamp and 32 bytes of digest, all little-endian. A damaged file is an
/// empty index. Not thread-safe; find() alone is.
class DigestIndex {
 public:
  /// Starts a scan now, knowing what `stored` (bytes of an earlier serialize()) remembers.
  explicit DigestIndex(std::string_view stored = {});

  std::optional<FileDigest> find(const FileStamp& stamp) const;
  void put(const FileStamp& stamp, const FileDigest& digest);
  /// True when something was added that the stored index did not have.
  bool changed() const { return changed_; }
  /// Bytes for the next build: everything found or put in this scan.
  std::string serialize() const;

 private:
  struct Hash {
    size_t operator()(const FileStamp& s) const { return s.inode * 0x9e3779b97f4a7c15u ^ s.size; }
  };
  std::unordered_map<FileStamp, FileDigest, Hash> entries_;
  int64_t scan_start_ns_;
  bool changed_ = false;
};

}  // namespace context
