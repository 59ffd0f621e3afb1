#pragma once

#include "store/layer/tar_digest.h"
#include "store/records.h"

namespace overlay {

/// The record of a layer made here, whose tree is as large as its tar unless somebody measures it.
inline store::LayerRecord built_layer(const layer::TarDigest& tar) {
  return {.diff_id = tar.diff_id,
          .tar_size_bytes = tar.size_bytes,
          .tree_size_bytes = tar.size_bytes,
          .tar_crc32 = tar.crc32};
}

}  // namespace overlay
