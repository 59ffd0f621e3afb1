#include "store/layer/seek_reader.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "store/layer/packed_input.h"

namespace layer {

namespace {

constexpr size_t kCursorsKept = 2;
constexpr size_t kWindowBytes = 32 << 10;
constexpr size_t kGzipTrailerBytes = 8;

/// A file from an offset on, without the position that all its readers share.
class FileTail : public base::Source {
 public:
  FileTail(int fd, uint64_t offset) : fd_(fd), offset_(offset) {}
  size_t read(std::span<std::byte> buffer) override {
    for (;;) {
      const ssize_t n = ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(offset_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) base::throw_errno("read a layer's blob");
      offset_ += static_cast<uint64_t>(n);
      return static_cast<size_t>(n);
    }
  }

 private:
  int fd_;
  uint64_t offset_;
};

[[noreturn]] void corrupt(const std::string& what) {
  throw base::Error(base::Code::kCorrupt, "gzip: " + what, "gzip-corrupt");
}

/// Inflates from a restart point on, over the ends of members.
class ResumedInflater : public base::Source {
 public:
  ResumedInflater(base::Source& source, const RestartPoint& point, uint8_t first_byte)
      : input_(source) {
    CHECK(::inflateInit2(&stream_, -15) == Z_OK);
    if (point.bits > 0) ::inflatePrime(&stream_, point.bits, first_byte >> (8 - point.bits));
    if (point.window.empty()) return;
    std::array<Bytef, kWindowBytes> window;
    const size_t size =
        ZSTD_decompress(window.data(), window.size(), point.window.data(), point.window.size());
    if (ZSTD_isError(size)) corrupt("the window of a restart point is damaged");
    ::inflateSetDictionary(&stream_, window.data(), static_cast<uInt>(size));
  }
  ~ResumedInflater() override { ::inflateEnd(&stream_); }

  size_t read(std::span<std::byte> buffer) override {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(buffer.size(), 1u << 30));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room && room > 0) {
      const base::Bytes packed = input_.peek();
      if (packed.empty()) break;  // too few bytes are for the caller to see
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
      stream_.avail_in = static_cast<uInt>(packed.size());
      const int status = ::inflate(&stream_, Z_NO_FLUSH);
      input_.consume(packed.size() - stream_.avail_in);
      if (status == Z_STREAM_END) {
        next_member();
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        corrupt(base::str("invalid compressed data (", status, ")"));
      }
    }
    return room - stream_.avail_out;
  }

 private:
  // The first member was begun behind its header, so its trailer is left to us.
  void next_member() {
    for (size_t left = raw_ ? kGzipTrailerBytes : 0; left > 0;) {
      const size_t n = std::min(left, input_.peek().size());
      if (n == 0) return;
      input_.consume(n);
      left -= n;
    }
    raw_ = false;
    CHECK(::inflateReset2(&stream_, 15 + 16) == Z_OK);
  }

  PackedInput input_;
  z_stream stream_ = {};
  bool raw_ = true;
};

}  // namespace

/// A decoder somewhere in the tar.
class SeekReader::Cursor {
 public:
  Cursor(int blob, const SeekIndex& index, const RestartPoint& point)
      : position_(point.tar_offset), tail_(blob, point.blob_offset) {
    if (index.compression == Compression::kGzip) {
      std::byte before = {};
      if (point.bits > 0) FileTail(blob, point.blob_offset - 1).read({&before, 1});
      plain_ = std::make_unique<ResumedInflater>(tail_, point, static_cast<uint8_t>(before));
    } else {
      plain_ = decompress(tail_, index.compression);
    }
  }

  uint64_t position() const { return position_; }
  void skip_to(uint64_t offset) {
    std::vector<std::byte> scrap(std::min<uint64_t>(offset - position_, 256 << 10));
    while (position_ < offset)
      if (fill(std::span(scrap).first(std::min<uint64_t>(scrap.size(), offset - position_))) == 0)
        return;
  }
  /// Less than asked for only at the end.
  size_t fill(std::span<std::byte> buffer) {
    const size_t n = base::read_full(*plain_, buffer);
    position_ += n;
    return n;
  }

 private:
  uint64_t position_;
  FileTail tail_;
  std::unique_ptr<base::Source> plain_;
};

SeekReader::SeekReader(sys::UniqueFd blob, SeekIndex index, size_t chunks_kept)
    : blob_(std::move(blob)), index_(std::move(index)), chunks_kept_(chunks_kept) {}
SeekReader::~SeekReader() = default;

void SeekReader::read(uint64_t offset, std::span<std::byte> buffer) {
  CHECK(offset <= index_.tar_bytes && buffer.size() <= index_.tar_bytes - offset);
  while (!buffer.empty()) {
    const Chunk bytes = chunk(offset / kChunkBytes);
    const uint64_t start = offset % kChunkBytes;
    const size_t n = std::min<uint64_t>(buffer.size(), bytes->size() - start);
    std::memcpy(buffer.data(), bytes->data() + start, n);
    buffer = buffer.subspan(n);
    offset += n;
  }
}

SeekReader::Chunk SeekReader::chunk(uint64_t number) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto known = std::find_if(chunks_.begin(), chunks_.end(),
                                    [&](const auto& each) { return each.first == number; });
    if (known != chunks_.end()) {
      chunks_.splice(chunks_.begin(), chunks_, known);
      return known->second;
    }
    if (coming_.insert(number).second) break;
    changed_.wait(lock);
  }
  lock.unlock();
  Chunk bytes;
  try {
    bytes = unpack(number);
  } catch (...) {
    lock.lock();
    coming_.erase(number);
    changed_.notify_all();
    throw;
  }
  lock.lock();
  coming_.erase(number);
  chunks_.emplace_front(number, bytes);
  if (chunks_.size() > chunks_kept_) chunks_.pop_back();
  changed_.notify_all();
  return bytes;
}

SeekReader::Chunk SeekReader::unpack(uint64_t number) {
  const uint64_t start = number * kChunkBytes;
  auto bytes =
      std::make_shared<std::vector<std::byte>>(std::min(kChunkBytes, index_.tar_bytes - start));
  std::string found;
  try {
    std::unique_ptr<Cursor> cursor = take_cursor(start);
    cursor->skip_to(start);
    bytes->resize(cursor->fill(*bytes));
    base::Sha256 hash;
    hash.write(*bytes);
    const base::Sha256::Value digest = hash.finish();
    if (digest == index_.chunks.at(number)) {
      keep_cursor(std::move(cursor));
      return bytes;
    }
    found = base::str("has the digest ", base::to_hex(digest));
  } catch (const base::Error& e) {
    if (e.code() != base::Code::kCorrupt) throw;
    found = base::str("cannot be unpacked (", e.message(), ")");
  }
  throw base::Error(base::Code::kCorrupt,
                    base::str("blob ", index_.blob.str(), ": the tar from byte ", start, " on ",
                              found, ", not ", base::to_hex(index_.chunks.at(number))),
                    "blob-corrupt");
}

// The nearest that stands at or before `offset`: a decoder from before, or a restart point.
std::unique_ptr<SeekReader::Cursor> SeekReader::take_cursor(uint64_t offset) {
  if (index_.points.empty())
    return std::make_unique<Cursor>(blob_.get(), index_, RestartPoint{offset, offset, 0, {}});
  auto point =
      std::upper_bound(index_.points.begin(), index_.points.end(), offset,
                       [](uint64_t at, const RestartPoint& each) { return at < each.tar_offset; });
  --point;
  {
    std::lock_guard lock(mutex_);
    auto best = cursors_.end();
    for (auto each = cursors_.begin(); each != cursors_.end(); ++each)
      if ((*each)->position() <= offset && (*each)->position() >= point->tar_offset &&
          (best == cursors_.end() || (*each)->position() > (*best)->position()))
        best = each;
    if (best != cursors_.end()) {
      std::unique_ptr<Cursor> cursor = std::move(*best);
      cursors_.erase(best);
      return cursor;
    }
  }
  return std::make_unique<Cursor>(blob_.get(), index_, *point);
}

void SeekReader::keep_cursor(std::unique_ptr<Cursor> cursor) {
  std::lock_guard lock(mutex_);
  cursors_.push_front(std::move(cursor));
  if (cursors_.size() > kCursorsKept) cursors_.pop_back();
}

}  // namespace layer
