#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/layer/compression.h"
#include "store/layer/tar_reader.h"
#include "store/oci/digest.h"

namespace layer {

/// The tar of a layer is verified in pieces of this size.
inline constexpr uint64_t kChunkBytes = 1 << 20;

/// One member of the tar, and where in the tar its content begins.
struct IndexedMember {
  Entry entry;
  uint64_t offset = 0;
};

/// A place in a packed layer where unpacking can begin.
struct RestartPoint {
  uint64_t tar_offset = 0;
  uint64_t blob_offset = 0;
  uint8_t bits = 0;  ///< gzip: so many bits of the byte before blob_offset come first
  std::string
      window;  ///< gzip: the 32 KiB before it, packed with zstd; empty: nothing before counts
};

/// What reading single files out of a packed layer takes: a table of contents, places where
/// unpacking can begin, and a digest of every chunk. It is made while the layer's bytes pass
/// through, can be made again at any time, and is never sent anywhere. A value. [spec:
/// lazy-pull 2.4]
struct SeekIndex {
  using ChunkDigest = std::array<std::byte, 32>;

  oci::Digest blob;
  oci::DiffId diff_id;
  uint64_t tar_bytes = 0;
  Compression compression = Compression::kNone;
  std::vector<RestartPoint> points;  ///< in order; none for kNone, else the first is at 0
  std::vector<ChunkDigest> chunks;   ///< SHA-256 of each chunk of the tar, the last one shorter
  std::vector<IndexedMember> members;

  /// Why such a layer had better be unpacked whole, in words: places to begin that are too far
  /// apart, more members than memory should hold. Empty: it need not be. Not written by format().
  std::string whole_reason;

  std::string format() const;
  /// Throws Corrupt for anything that format() did not write.
  static SeekIndex parse(std::string_view text);
};

/// Reads a packed layer to its end and makes its index. `blob` is taken as given, for the caller to
/// check; the diff id is that of the bytes read. Throws as decompress() and TarReader do.
SeekIndex build_seek_index(base::Source& packed, const oci::Digest& blob, Compression compression,
                           const Limits& limits = {});

}  // namespace layer
