#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "store/layer/decoders.h"
#include "store/layer/packed_input.h"
#include "store/layer/seek_index.h"

namespace layer {

namespace {

/// Points closer than this would not make reading faster: a chunk is unpacked whole.
constexpr uint64_t kPointEvery = kChunkBytes;
constexpr size_t kWindowBytes = 32 << 10;
/// As much is unpacked, at worst, to read one byte.
constexpr uint64_t kMaxReach = 16 << 20;
/// What a table of contents may take in memory; Debian's largest have a tenth.
constexpr uint64_t kMaxContentsBytes = 256 << 20;

std::string pack_window(base::Bytes window) {
  if (window.empty()) return {};
  std::string packed(ZSTD_compressBound(window.size()), '\0');
  const size_t size = ZSTD_compress(packed.data(), packed.size(), window.data(), window.size(), 1);
  CHECK(!ZSTD_isError(size));
  packed.resize(size);
  return packed;
}

bool is_due(const std::vector<RestartPoint>& points, uint64_t tar_offset) {
  return points.empty() || tar_offset - points.back().tar_offset >= kPointEvery;
}

/// Inflates as zlib does, because only zlib stops between blocks, where inflating can begin again;
/// the decoder that unpacks layers does not, and is faster.
class PointingInflater : public base::Source {
 public:
  PointingInflater(base::Source& source, std::vector<RestartPoint>& points)
      : input_(source), points_(points) {
    CHECK(::inflateInit2(&stream_, 15 + 16) == Z_OK);
  }
  ~PointingInflater() override { ::inflateEnd(&stream_); }

  size_t read(std::span<std::byte> buffer) override {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(buffer.size(), 1u << 30));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room && room > 0) {
      const base::Bytes packed = input_.peek();
      if (packed.empty()) {
        if (in_member_ || members_ == 0) corrupt("the stream is cut short");
        break;
      }
      step(packed);
    }
    return room - stream_.avail_out;
  }

 private:
  [[noreturn]] static void corrupt(const std::string& what) {
    throw base::Error(base::Code::kCorrupt, "gzip: " + what, "gzip-corrupt");
  }

  void step(base::Bytes packed) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    const uInt room = stream_.avail_out;
    in_member_ = true;
    const int status = ::inflate(&stream_, Z_BLOCK);
    input_.consume(packed.size() - stream_.avail_in);
    blob_offset_ += packed.size() - stream_.avail_in;
    tar_offset_ += room - stream_.avail_out;
    if (status == Z_STREAM_END) {
      ++members_;
      in_member_ = false;
      CHECK(::inflateReset(&stream_) == Z_OK);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      corrupt(members_ > 0 && stream_.total_out == 0
                  ? "other data after the end of the stream"
                  : base::str("invalid compressed data (", status, ")"));
    } else {
      note_point();
    }
  }

  // Bit 7: between two blocks, or behind a header. Bit 6: in the last block, behind which is no
  // other. Bits 0 to 2: how much of the last byte is not used yet. [zlib.h, inflate()]
  void note_point() {
    const int state = stream_.data_type;
    if ((state & 128) == 0 || (state & 64) != 0 || !is_due(points_, tar_offset_)) return;
    std::array<std::byte, kWindowBytes> window;
    uInt size = 0;
    CHECK(::inflateGetDictionary(&stream_, reinterpret_cast<Bytef*>(window.data()), &size) == Z_OK);
    points_.push_back({tar_offset_, blob_offset_, static_cast<uint8_t>(state & 7),
                       pack_window(base::Bytes(window).first(size))});
  }

  PackedInput input_;
  std::vector<RestartPoint>& points_;
  z_stream stream_ = {};
  uint64_t blob_offset_ = 0;
  uint64_t tar_offset_ = 0;
  uint64_t members_ = 0;
  bool in_member_ = false;
};

std::unique_ptr<base::Source> pointing_decoder(base::Source& packed, Compression compression,
                                               const Limits& limits,
                                               std::vector<RestartPoint>& points) {
  if (compression == Compression::kNone) return decompress(packed, compression, limits);
  if (compression == Compression::kGzip) return std::make_unique<PointingInflater>(packed, points);
  CHECK(compression == Compression::kZstd);  // layers are packed in no other way
  return make_zstd_decoder(packed, limits.zstd_window_bytes,
                           [&points](uint64_t blob_offset, uint64_t tar_offset) {
                             if (is_due(points, tar_offset))
                               points.push_back({tar_offset, blob_offset, 0, {}});
                           });
}

/// Hashes a stream in chunks and as a whole.
class ChunkHasher : public base::Sink {
 public:
  explicit ChunkHasher(uint64_t most_bytes) : most_bytes_(most_bytes) {}
  void write(base::Bytes bytes) override {
    if (bytes.size() > most_bytes_ - whole_.count())
      throw base::Error(base::Code::kInvalid,
                        base::str("unpacks to more than the limit of ", most_bytes_, " bytes"),
                        "layer-too-large");
    whole_.write(bytes);
    while (!bytes.empty()) {
      const size_t n = std::min<uint64_t>(bytes.size(), kChunkBytes - chunk_.count());
      chunk_.write(bytes.first(n));
      bytes = bytes.subspan(n);
      if (chunk_.count() == kChunkBytes) end_chunk();
    }
  }
  void finish(SeekIndex& index) {
    if (chunk_.count() > 0) end_chunk();
    index.tar_bytes = whole_.count();
    index.diff_id = oci::DiffId(oci::Digest::from_sha256(whole_.finish()));
    index.chunks = std::move(chunks_);
  }

 private:
  void end_chunk() {
    chunks_.push_back(chunk_.finish());
    chunk_ = base::Sha256();
  }
  uint64_t most_bytes_;
  base::Sha256 whole_;
  base::Sha256 chunk_;
  std::vector<SeekIndex::ChunkDigest> chunks_;
};

uint64_t bytes_in_memory(const Entry& entry) {
  uint64_t bytes = sizeof(IndexedMember) + entry.path.size() + entry.link.size();
  for (const auto& [name, value] : entry.xattrs) bytes += 100 + name.size() + value.size();
  return bytes;
}

uint64_t longest_way(const SeekIndex& index) {
  uint64_t longest = 0;
  for (size_t i = 0; i < index.points.size(); ++i) {
    const bool last = i + 1 == index.points.size();
    const uint64_t end = last ? index.tar_bytes : index.points[i + 1].tar_offset;
    longest = std::max(longest, end - index.points[i].tar_offset);
  }
  return longest;
}

}  // namespace

SeekIndex build_seek_index(base::Source& packed, const oci::Digest& blob, Compression compression,
                           const Limits& limits) {
  SeekIndex index{.blob = blob, .diff_id = oci::DiffId(blob), .compression = compression};
  ChunkHasher hasher(limits.unpacked_bytes);
  uint64_t contents = 0;
  {
    const auto plain = pointing_decoder(packed, compression, limits, index.points);
    const auto ahead = read_ahead(*plain);
    base::TeeSource hashed(*ahead, hasher);
    TarReader reader(hashed, limits, Strictness::kImage);
    Entry entry;
    while (reader.next(entry)) {
      contents += bytes_in_memory(entry);
      if (contents > kMaxContentsBytes) continue;
      const uint64_t offset = entry.size > 0 ? reader.content_offset() : 0;
      index.members.push_back({std::move(entry), offset});
    }
    reader.drain();
  }
  hasher.finish(index);
  if (contents > kMaxContentsBytes)
    index.whole_reason = base::str("it has more than ", index.members.size(), " files");
  else if (const uint64_t way = longest_way(index); way > kMaxReach)
    index.whole_reason = base::str("it is packed in pieces of ", base::format_size(way));
  return index;
}

}  // namespace layer
