#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/sys/root.h"
#include "store/layer/writer.h"
#include "store/oci/digest.h"

namespace layer {

/// CRC-32 (the one of gzip) and size of what is written to it. Twenty times cheaper than SHA-256:
/// it notices bytes that are not what they were, but does not withstand anybody who wants them to
/// pass.
class Checksum : public base::Sink {
 public:
  void write(base::Bytes bytes) override;
  uint32_t crc32() const { return crc32_; }
  uint64_t count() const { return count_; }

 private:
  uint32_t crc32_ = 0;
  uint64_t count_ = 0;
};

/// What hashing the canonical tar of a tree found.
struct TarDigest {
  oci::DiffId diff_id;
  uint64_t size_bytes = 0;
  uint32_t crc32 = 0;
  /// Of tar_digest(): files that the tree has and the tar cannot say, because ".wh.NAME" means that
  /// NAME is gone. At most 100.
  std::vector<std::string> left_out = {};
};

/// Makes the TarDigest of what is written to it.
class TarHasher : public base::Sink {
 public:
  void write(base::Bytes bytes) override;
  /// Ends the stream; once.
  TarDigest finish();

 private:
  base::Sha256 sha256_;
  Checksum checksum_;
};

/// Of the tar that write_tree() writes, which goes to `also` too unless that is null; throws what
/// they throw.
TarDigest tar_digest(const sys::Root& tree, const WriteOptions& options = {},
                     base::Sink* also = nullptr);

}  // namespace layer
