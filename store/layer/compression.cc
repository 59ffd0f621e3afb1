#include "store/layer/compression.h"

#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/decoders.h"

namespace layer {

const char* compression_name(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kZstd:
      return "zstd";
    case Compression::kXz:
      return "xz";
    case Compression::kBzip2:
      return "bzip2";
    case Compression::kNone:
      break;
  }
  return "none";
}

Compression detect(base::Bytes head) {
  std::string_view text = base::as_text(head);
  if (text.starts_with("BZh")) return Compression::kBzip2;
  if (text.starts_with("\x1f\x8b\x08")) return Compression::kGzip;
  if (text.starts_with(std::string_view("\xfd"
                                        "7zXZ\0",
                                        6)))
    return Compression::kXz;
  if (text.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  // A skippable frame: 0x184D2A50 to 0x184D2A5F, little-endian, then a length.
  if (text.size() >= 8 && (static_cast<unsigned char>(text[0]) & 0xf0) == 0x50 &&
      text.substr(1, 3) == "\x2a\x4d\x18")
    return Compression::kZstd;
  return Compression::kNone;
}

namespace {

/// Counts what a decoder gives and refuses more than the limit.
class LimitedSource : public base::Source {
 public:
  LimitedSource(std::unique_ptr<base::Source> source, uint64_t limit)
      : source_(std::move(source)), limit_(limit) {}

  size_t read(std::span<std::byte> buffer) override {
    size_t n = source_->read(buffer);
    if (n > limit_ - done_)
      throw base::Error(base::Code::kInvalid,
                        base::str("unpacks to more than the limit of ", limit_, " bytes"),
                        "layer-too-large");
    done_ += n;
    return n;
  }

 private:
  std::unique_ptr<base::Source> source_;
  uint64_t limit_;
  uint64_t done_ = 0;
};

class PlainSource : public base::Source {
 public:
  explicit PlainSource(base::Source& source) : source_(source) {}
  size_t read(std::span<std::byte> buffer) override { return source_.read(buffer); }

 private:
  base::Source& source_;
};

/// Gives back the bytes that detection consumed, then the rest of the source.
class SniffedSource : public base::Source {
 public:
  explicit SniffedSource(base::Source& source) : source_(source) {
    held_ = base::read_full(source, head_);
  }
  base::Bytes head() const { return base::Bytes(head_).first(held_); }

  size_t read(std::span<std::byte> buffer) override {
    if (given_ == held_) return source_.read(buffer);
    size_t n = std::min(buffer.size(), held_ - given_);
    std::memcpy(buffer.data(), head_ + given_, n);
    given_ += n;
    return n;
  }

 private:
  base::Source& source_;
  std::byte head_[16];
  size_t held_ = 0;
  size_t given_ = 0;
};

/// A decoder that owns the source it reads from.
class OwningSource : public base::Source {
 public:
  OwningSource(base::Source& source, const Limits& limits) : sniffed_(source) {
    inner_ = decompress(sniffed_, detect(sniffed_.head()), limits);
  }
  size_t read(std::span<std::byte> buffer) override { return inner_->read(buffer); }

 private:
  SniffedSource sniffed_;
  std::unique_ptr<base::Source> inner_;
};

}  // namespace

std::unique_ptr<base::Source> decompress(base::Source& source, Compression compression,
                                         const Limits& limits) {
  std::unique_ptr<base::Source> decoder;
  switch (compression) {
    case Compression::kGzip:
      decoder = make_gzip_decoder(source);
      break;
    case Compression::kZstd:
      decoder = make_zstd_decoder(source, limits.zstd_window_bytes);
      break;
    case Compression::kXz:
      decoder = make_xz_decoder(source, limits.xz_memory_bytes);
      break;
    case Compression::kBzip2:
      decoder = make_bzip2_decoder(source);
      break;
    case Compression::kNone:
      decoder = std::make_unique<PlainSource>(source);
      break;
  }
  return std::make_unique<LimitedSource>(std::move(decoder), limits.unpacked_bytes);
}

std::unique_ptr<base::Source> decompress_any(base::Source& source, const Limits& limits) {
  return std::make_unique<OwningSource>(source, limits);
}

}  // namespace layer
