#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/bytes.h"

namespace layer {

/// One factory per format, behind decompress(). Internal: they borrow the source and know no limit
/// on their output.
std::unique_ptr<base::Source> make_gzip_decoder(base::Source& source);
/// `on_frame`, unless empty, is told where each frame begins: in the source, and in what comes out.
using OnFrame = std::function<void(uint64_t packed_offset, uint64_t offset)>;
std::unique_ptr<base::Source> make_zstd_decoder(base::Source& source, uint64_t window_bytes,
                                                OnFrame on_frame = {});
std::unique_ptr<base::Source> make_xz_decoder(base::Source& source, uint64_t memory_bytes);
std::unique_ptr<base::Source> make_bzip2_decoder(base::Source& source);

}  // namespace layer
