#pragma once

#include <cstdint>

namespace layer {

/// What hostile bytes may make us hold or do; every number is a setting. A value.
/// [spec: security, "Parsing untrusted bytes"]
struct Limits {
  uint64_t pax_bytes = 1 << 20;         ///< one extended header
  uint64_t long_name_bytes = 64 << 10;  ///< one GNU long name or link; also any path or link target
  uint64_t xattr_bytes = 1 << 20;       ///< all attribute values of one member
  uint64_t xattr_value_bytes = 64 << 10;  ///< one attribute value (the kernel's own limit)
  uint64_t entries = 10'000'000;          ///< members of one archive, implied parents included
  uint64_t unpacked_bytes = UINT64_MAX;   ///< output of decompression, and content of all members
  uint64_t depth =
      4096;  ///< directories below one another; a path given to the kernel has half as many
  uint64_t sparse_regions = 1 << 16;         ///< data regions of one GNU sparse file
  uint64_t directories_in_memory = 1 << 16;  ///< above, what is remembered is written out early
  uint64_t zstd_window_bytes = 128 << 20;
  uint64_t xz_memory_bytes = 192 << 20;
};

}  // namespace layer
