#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "store/layer/limits.h"

namespace layer {

/// How the bytes of a layer or archive are packed.
enum class Compression { kNone, kGzip, kZstd, kXz, kBzip2 };

/// "gzip", "zstd", ...; "none" for kNone.
const char* compression_name(Compression compression);

/// What the first bytes say: kNone when no known magic matches. 10 bytes are always enough, fewer
/// give the same answer where they decide.
Compression detect(base::Bytes head);

/// Unpacks `source`, which is borrowed. Concatenated gzip members, zstd frames (skippable ones
/// too), xz and bzip2 streams are one stream. read() throws Corrupt for a cut stream, a wrong
/// checksum or size, and for anything that follows the stream; Invalid above limits.unpacked_bytes;
/// Unsupported for a window or dictionary above the limits. An empty source is an empty stream only
/// for kNone. [RFC 1952, RFC 8878; spec: security 4]
std::unique_ptr<base::Source> decompress(base::Source& source, Compression compression,
                                         const Limits& limits = {});

/// detect() on the first bytes of `source`, then decompress().
std::unique_ptr<base::Source> decompress_any(base::Source& source, const Limits& limits = {});

/// A sink that has an end: finish() writes what is still held and the trailer, once. Without it the
/// output is cut; the destructor writes nothing.
class CompressSink : public base::Sink {
 public:
  virtual void finish() = 0;
};

/// gzip with fixed settings: one member of pieces of 1 MiB, each compressed on its own (primed with
/// the 32 KiB before it), on `threads` threads (0: as many as there are processors, at most 8).
/// ISA-L at its level 2 is fast; a `level` of 0 to 9 is zlib's. The bytes depend only on the input
/// and the level, never on `threads` or on how the input was cut into write() calls. `out` is
/// borrowed and used only from the caller's thread. Different processors may still give different
/// bytes: identity is the diff id.
std::unique_ptr<CompressSink> gzip_sink(base::Sink& out, unsigned threads = 0,
                                        std::optional<int> level = {});

/// zstd of level 1 to 22, one frame with a checksum; equally independent of how the input was cut.
std::unique_ptr<CompressSink> zstd_sink(base::Sink& out, int level = 3);

/// Reads `source` on a thread of its own, up to 4 MiB ahead, so that producing (download, inflate)
/// and consuming (hash, extract) overlap. `source` is borrowed and must not be touched meanwhile;
/// its exceptions come out of read(). The destructor stops the thread after its current read.
std::unique_ptr<base::Source> read_ahead(base::Source& source);

}  // namespace layer
