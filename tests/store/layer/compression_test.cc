#include "store/layer/compression.h"

#include <bzlib.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <random>

#include "base/error.h"

namespace {

using base::as_bytes;
using base::Code;
using layer::Compression;

std::string zlib_gzip(const std::string& data, bool named = false) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  gz_header header = {};
  std::string name = "layer.tar";
  header.name = reinterpret_cast<Bytef*>(name.data());
  header.hcrc = 1;
  if (named) {
    EXPECT_EQ(deflateSetHeader(&stream, &header), Z_OK);
  }
  std::string out(compressBound(data.size()) + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd_frame(const std::string& data) {
  std::string out(ZSTD_compressBound(data.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 3));
  return out;
}

std::string xz_stream(const std::string& data) {
  std::string out(data.size() + 1000, '\0');
  size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr,
                                    reinterpret_cast<const uint8_t*>(data.data()), data.size(),
                                    reinterpret_cast<uint8_t*>(out.data()), &size, out.size()),
            LZMA_OK);
  out.resize(size);
  return out;
}

std::string bzip2_stream(std::string data) {
  std::string out(data.size() + 1000, '\0');
  unsigned size = static_cast<unsigned>(out.size());
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(out.data(), &size, data.data(),
                                     static_cast<unsigned>(data.size()), 1, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}

/// Gives a few bytes at a time, so that every state of a decoder is entered from a fresh read.
class DripSource : public base::Source {
 public:
  DripSource(std::string data, size_t drop) : data_(std::move(data)), drop_(drop) {}
  size_t read(std::span<std::byte> buffer) override {
    size_t n = std::min({buffer.size(), drop_, data_.size() - at_});
    std::memcpy(buffer.data(), data_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string data_;
  size_t drop_;
  size_t at_ = 0;
};

std::string unpack(const std::string& packed, Compression compression, size_t drop = 1 << 20,
                   const layer::Limits& limits = {}) {
  DripSource source(packed, drop);
  return base::read_all(*layer::decompress(source, compression, limits), 1 << 30);
}

Code failure(const std::string& packed, Compression compression, const layer::Limits& limits = {}) {
  try {
    unpack(packed, compression, 1 << 20, limits);
  } catch (const base::Error& e) {
    return e.code();
  }
  return Code::kFailed;  // no failure
}

std::string sample(size_t size) {
  std::string data;
  std::mt19937 random(7);
  while (data.size() < size) data += std::to_string(random() % 1000) + " torte\n";
  data.resize(size);
  return data;
}

TEST(Compression, IsDetectedByItsFirstBytes) {
  EXPECT_EQ(layer::detect(as_bytes(zlib_gzip("x"))), Compression::kGzip);
  EXPECT_EQ(layer::detect(as_bytes(zstd_frame("x"))), Compression::kZstd);
  EXPECT_EQ(layer::detect(as_bytes(xz_stream("x"))), Compression::kXz);
  EXPECT_EQ(layer::detect(as_bytes(bzip2_stream("x"))), Compression::kBzip2);
  EXPECT_EQ(layer::detect(as_bytes(std::string_view("\x5f\x2a\x4d\x18\1\0\0\0", 8))),
            Compression::kZstd);
  EXPECT_EQ(layer::detect(as_bytes("")), Compression::kNone);
  EXPECT_EQ(layer::detect(as_bytes("\x1f\x8b")), Compression::kNone);
}

struct Format {
  Compression compression;
  std::string (*pack)(const std::string&);
};

const Format kFormats[] = {
    {Compression::kGzip, [](const std::string& data) { return zlib_gzip(data); }},
    {Compression::kZstd, zstd_frame},
    {Compression::kXz, xz_stream},
    {Compression::kBzip2, [](const std::string& data) { return bzip2_stream(data); }},
};

TEST(Compression, UnpacksWhateverThePiecesOfTheInput) {
  std::string data = sample(300'000);
  for (const Format& format : kFormats) {
    std::string packed = format.pack(data);
    for (size_t drop : {1u, 2u, 7u, 511u, 1u << 20})
      EXPECT_EQ(unpack(packed, format.compression, drop), data)
          << layer::compression_name(format.compression) << " " << drop;
  }
}

TEST(Compression, ConcatenatedStreamsAreOne) {
  for (const Format& format : kFormats) {
    std::string packed = format.pack("one ") + format.pack("") + format.pack("two");
    for (size_t drop : {1u, 3u, 1u << 20})
      EXPECT_EQ(unpack(packed, format.compression, drop), "one two")
          << layer::compression_name(format.compression) << " " << drop;
  }
}

TEST(Compression, EveryCutIsCorrupt) {
  for (const Format& format : kFormats) {
    std::string packed = format.pack(sample(2000));
    for (size_t size = 0; size < packed.size(); ++size)
      EXPECT_EQ(failure(packed.substr(0, size), format.compression), Code::kCorrupt)
          << layer::compression_name(format.compression) << " " << size;
  }
}

TEST(Compression, AnythingAfterTheStreamIsCorrupt) {
  for (const Format& format : kFormats) {
    for (const char* tail : {"GARBAGE and some more of it", "x"})
      EXPECT_EQ(failure(format.pack("data") + tail, format.compression), Code::kCorrupt)
          << layer::compression_name(format.compression) << " " << tail;
    EXPECT_EQ(failure(format.pack("data") + std::string(64, '\1'), format.compression),
              Code::kCorrupt);
  }
}

TEST(Compression, OtherDataIsCorruptNotGuessed) {
  for (const Format& format : kFormats)
    EXPECT_EQ(failure("this is not compressed at all, whatever it says", format.compression),
              Code::kCorrupt);
}

TEST(Compression, ChangedBytesAreNoticed) {
  std::string data = sample(5000);
  for (const Format& format : kFormats) {
    if (format.compression == Compression::kZstd) continue;  // ZSTD_compress adds no checksum
    std::string packed = format.pack(data);
    for (size_t at = 12; at < packed.size(); at += 97) {
      std::string broken = packed;
      broken[at] = static_cast<char>(broken[at] ^ 0x10);
      EXPECT_EQ(failure(broken, format.compression), Code::kCorrupt)
          << layer::compression_name(format.compression) << " " << at;
    }
  }
}

TEST(Compression, GzipTrailerIsChecked) {
  std::string packed = zlib_gzip("content");
  for (size_t i = 1; i <= 8; ++i) {
    std::string broken = packed;
    broken[packed.size() - i] = static_cast<char>(broken[packed.size() - i] ^ 1);
    EXPECT_EQ(failure(broken, Compression::kGzip), Code::kCorrupt) << i;
  }
}

TEST(Compression, GzipHeaderMayHaveNameAndChecksum) {
  std::string packed = zlib_gzip("content", true);
  for (size_t drop : {1u, 2u, 5u, 1000u})
    EXPECT_EQ(unpack(packed, Compression::kGzip, drop), "content");
  packed[12] = 'L';
  EXPECT_EQ(failure(packed, Compression::kGzip), Code::kCorrupt);
}

TEST(Compression, ZstdSkippableFramesAreSkipped) {
  std::string skip("\x50\x2a\x4d\x18\5\0\0\0hello", 13);
  std::string packed = skip + zstd_frame("a") + skip + zstd_frame("b") + skip;
  for (size_t drop : {1u, 1000u}) EXPECT_EQ(unpack(packed, Compression::kZstd, drop), "ab");
}

TEST(Compression, ZstdFramesAreAsLongAsTheySay) {
  // A frame of 80 bytes, whose only block is empty.
  const std::string frame("\x28\xb5\x2f\xfd\x20\x50\x01\0\0", 9);
  for (size_t drop : {1u, 3u, 1000u})
    EXPECT_THROW(unpack(frame, Compression::kZstd, drop), base::Error) << drop;
  EXPECT_THROW(unpack(zstd_frame("a") + frame, Compression::kZstd, 1), base::Error);
}

TEST(Compression, ZstdWindowIsLimited) {
  // A frame header that asks for a window of 2^31 bytes, then one raw block of one byte.
  std::string frame("\x28\xb5\x2f\xfd\x00\xa8\x09\x00\x00x", 10);
  EXPECT_EQ(failure(frame, Compression::kZstd), Code::kUnsupported);
  frame[5] = '\x50';  // 2^20
  EXPECT_EQ(unpack(frame, Compression::kZstd), "x");
}

TEST(Compression, OutputIsLimited) {
  layer::Limits limits;
  limits.unpacked_bytes = 100'000;
  for (const Format& format : kFormats) {
    EXPECT_EQ(failure(format.pack(std::string(1 << 20, '\0')), format.compression, limits),
              Code::kInvalid);
    EXPECT_EQ(failure(format.pack(std::string(100'000, '\0')), format.compression, limits),
              Code::kFailed);
  }
}

std::string gzip(const std::string& data, unsigned threads, size_t piece,
                 std::optional<int> level = {}) {
  base::StringSink out;
  auto sink = layer::gzip_sink(out, threads, level);
  for (size_t at = 0; at < data.size(); at += piece)
    sink->write(as_bytes(std::string_view(data).substr(at, piece)));
  sink->finish();
  return out.text();
}

TEST(GzipSink, GivesTheSameBytesAtAnyNumberOfThreadsAndPieces) {
  std::string data = sample(5'500'000);
  for (std::optional<int> level : {std::optional<int>(), std::optional(1), std::optional(9)}) {
    std::string expected = gzip(data, 1, data.size(), level);
    EXPECT_LT(expected.size(), data.size() / 2);
    EXPECT_EQ(gzip(data, 2, 4096 + 13, level), expected);
    EXPECT_EQ(gzip(data, 5, 1 << 20, level), expected);
    EXPECT_EQ(unpack(expected, Compression::kGzip), data);
  }
}

TEST(GzipSink, PacksTighterAtHigherLevels) {
  std::string data = sample(2'500'000);
  std::vector<size_t> sizes;
  for (int level : {0, 1, 9}) sizes.push_back(gzip(data, 2, 1 << 19, level).size());
  EXPECT_GT(sizes[0], data.size());  // 0 only wraps
  EXPECT_LT(sizes[1], sizes[0]);
  EXPECT_LT(sizes[2], sizes[1]);
}

TEST(GzipSink, WritesOneMemberThatZlibReads) {
  for (size_t size : {0u, 1u, (1u << 20) - 1, 1u << 20, (1u << 20) + 1, 3u << 20, (1u << 20) + 9}) {
    std::string data = sample(size);
    std::string packed = gzip(data, 3, 100'000, size % 2 == 0 ? std::nullopt : std::optional(6));
    z_stream stream = {};
    ASSERT_EQ(inflateInit2(&stream, 31), Z_OK);
    std::string out(size + 1, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END) << size;
    EXPECT_EQ(stream.avail_in, 0u);
    out.resize(stream.total_out);
    EXPECT_EQ(out, data);
    inflateEnd(&stream);
  }
}

TEST(GzipSink, HoldsDataThatDoesNotCompress) {
  std::mt19937_64 random(3);
  std::string data(3 << 20, '\0');
  for (char& c : data) c = static_cast<char>(random());
  for (std::optional<int> level : {std::optional<int>(), std::optional(0), std::optional(9)})
    EXPECT_EQ(unpack(gzip(data, 2, 1 << 19, level), Compression::kGzip), data);
}

TEST(GzipSink, StoresWhatDoesNotCompressBesideWhatDoes) {
  std::mt19937_64 random(3);
  std::string data;
  for (size_t size : {100'000u, 7'000u, 70'000u, 300'000u, 20'000u, 900'000u, 16'384u, 1u}) {
    data += sample(size);
    for (size_t i = 0; i < size; ++i) data += static_cast<char>(random());
  }
  const std::string packed = gzip(data, 1, data.size());
  EXPECT_LT(packed.size(),
            data.size() / 2 + gzip(sample(data.size() / 2), 1, 1 << 20).size() * 5 / 4);
  EXPECT_EQ(gzip(data, 3, 100'001), packed);
  EXPECT_EQ(unpack(packed, Compression::kGzip), data);
}

TEST(GzipSink, CanBeAbandoned) {
  base::StringSink out;
  auto sink = layer::gzip_sink(out, 4);
  sink->write(as_bytes(sample(3'000'000)));
}

TEST(ZstdSink, GivesTheSameBytesHoweverTheInputWasCut) {
  std::string data = sample(3'300'000);
  auto pack = [&](size_t piece) {
    base::StringSink out;
    auto sink = layer::zstd_sink(out);
    for (size_t at = 0; at < data.size(); at += piece)
      sink->write(as_bytes(std::string_view(data).substr(at, piece)));
    sink->finish();
    return out.text();
  };
  std::string expected = pack(data.size());
  EXPECT_EQ(pack(777), expected);
  EXPECT_EQ(pack(1 << 20), expected);
  EXPECT_EQ(unpack(expected, Compression::kZstd), data);
  std::string broken = expected;
  broken[broken.size() - 2] = static_cast<char>(broken[broken.size() - 2] ^ 1);
  EXPECT_EQ(failure(broken, Compression::kZstd), Code::kCorrupt);
}

TEST(ReadAhead, PassesBytesAndErrorsOn) {
  std::string data = sample(20'000'000);
  DripSource source(data, 100'001);
  EXPECT_EQ(base::read_all(*layer::read_ahead(source), 1 << 30), data);

  class Failing : public base::Source {
   public:
    size_t read(std::span<std::byte> buffer) override {
      if (left_-- == 0) throw base::Error(Code::kUnavailable, "gone");
      return buffer.size();
    }
    int left_ = 3;
  } failing;
  auto ahead = layer::read_ahead(failing);
  EXPECT_THROW(base::read_all(*ahead, 1 << 30), base::Error);
  DripSource endless(std::string(64 << 20, 'x'), 1 << 20);
  layer::read_ahead(endless);  // abandoned at once
}

TEST(DecompressAny, GivesShortAndPlainDataAsItIs) {
  for (const char* text : {"", "a", "some longer plain text than the magic numbers need"}) {
    DripSource source(text, 1);
    EXPECT_EQ(base::read_all(*layer::decompress_any(source), 1000), text);
  }
}

}  // namespace
