#pragma once

#include <filesystem>
#include <string>

#include "store/layout.h"

namespace store {

/// Name of a layer blob's seek index (layer::SeekIndex), for Store::put_index. It goes when the
/// blob does.
inline std::string seek_index_name(const oci::Digest& blob) { return "seek-" + fetch_name(blob); }

inline std::filesystem::path seek_index_path(const Layout& layout, const oci::Digest& blob) {
  return layout.index() / seek_index_name(blob);
}

}  // namespace store
