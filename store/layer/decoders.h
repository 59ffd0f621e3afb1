#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace layer {

/// One factory per format, behind decompress(). Internal: they borrow the source and know no limit
/// on their output.
std::unique_ptr<base::Source> make_gzip_decoder(base::Source& source);
std::unique_ptr<base::Source> make_zstd_decoder(base::Source& source, uint64_t window_bytes);
std::unique_ptr<base::Source> make_xz_decoder(base::Source& source, uint64_t memory_bytes);
std::unique_ptr<base::Source> make_bzip2_decoder(base::Source& source);

}  // namespace layer
