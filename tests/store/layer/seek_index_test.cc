#include "store/layer/seek_index.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <random>

#include "base/error.h"
#include "base/sys/fd.h"
#include "store/layer/seek_reader.h"
#include "tests/store/layer/tar_bytes.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace tarbytes;

/// Text that packs to about a half, so that points and chunks do not fall together.
std::string noise(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>('a' + random() % 16);
  return text;
}

std::string sample_tar() {
  return directory("d", 0755) +
         member({.name = "d/big", .mode = 04755, .uid = 5, .gid = 7, .mtime = -3},
                noise(3'500'000, 1)) +
         soft_link("l", "d/big") + member({.name = "zeros"}, std::string(6 << 20, '\0')) +
         hardlink("h", "zeros") +
         pax({{"SCHILY.xattr.user.a", std::string("\0b", 2)}, {"mtime", "5.25"}}) +
         member({.name = "small"}, "hello") + end();
}

std::string packed(const std::string& tar, layer::Compression compression) {
  base::StringSink out;
  auto sink =
      compression == layer::Compression::kZstd ? layer::zstd_sink(out) : layer::gzip_sink(out, 1);
  sink->write(base::as_bytes(tar));
  sink->finish();
  return out.text();
}

/// As gzip does it: one member, blocks that end anywhere in a byte.
std::string zlib_packed(const std::string& tar) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, tar.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(tar.data()));
  stream.avail_in = static_cast<uInt>(tar.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// Each piece by itself, one after the other: gzip members, zstd frames.
template <typename Pack>
std::string in_pieces(const std::string& tar, size_t piece, Pack pack) {
  std::string out;
  for (size_t at = 0; at < tar.size(); at += piece) out += pack(tar.substr(at, piece));
  return out;
}

class SeekIndexTest : public ::testing::Test {
 protected:
  layer::SeekIndex index_of(const std::string& blob, layer::Compression compression) {
    base::MemorySource source(base::as_bytes(blob));
    return layer::build_seek_index(source, oci::Digest::sha256_of(blob), compression);
  }
  std::unique_ptr<layer::SeekReader> reader(const std::string& blob, layer::SeekIndex index) {
    dir_.write("blob", blob);
    sys::UniqueFd fd(::open((dir_ / "blob").c_str(), O_RDONLY | O_CLOEXEC));
    return std::make_unique<layer::SeekReader>(std::move(fd), std::move(index), 2);
  }
  /// Forwards, backwards and at random: every byte is the tar's.
  void expect_readable(const std::string& tar, const std::string& blob,
                       layer::Compression compression) {
    layer::SeekIndex index = layer::SeekIndex::parse(index_of(blob, compression).format());
    EXPECT_EQ(index.tar_bytes, tar.size());
    EXPECT_EQ(index.diff_id.digest(), oci::Digest::sha256_of(tar));
    auto layer = reader(blob, std::move(index));
    std::mt19937 random(7);
    std::vector<std::pair<size_t, size_t>> ranges = {{0, tar.size()}, {tar.size() - 1, 1}, {0, 1}};
    for (size_t at = tar.size(); at >= 700'000; at -= 700'000) ranges.push_back({at - 700'000, 9});
    for (int i = 0; i < 30; ++i) {
      const size_t at = random() % tar.size();
      ranges.push_back({at, std::min<size_t>(random() % 300'000, tar.size() - at)});
    }
    for (const auto& [at, size] : ranges) {
      std::string found(size, '?');
      layer->read(at, std::as_writable_bytes(std::span(found)));
      ASSERT_TRUE(found == tar.substr(at, size)) << at << " " << size;
    }
  }
  support::TempDir dir_;
};

TEST_F(SeekIndexTest, ReadsAnyPlaceOfAnyPacking) {
  const std::string tar = sample_tar();
  expect_readable(tar, tar, layer::Compression::kNone);
  expect_readable(tar, packed(tar, layer::Compression::kGzip), layer::Compression::kGzip);
  expect_readable(tar, zlib_packed(tar), layer::Compression::kGzip);
  expect_readable(tar, in_pieces(tar, 77'777, zlib_packed), layer::Compression::kGzip);
  expect_readable(
      tar,
      in_pieces(tar, 300'000,
                [](const std::string& piece) { return packed(piece, layer::Compression::kZstd); }),
      layer::Compression::kZstd);
}

TEST_F(SeekIndexTest, TableOfContentsTellsMembersAndWhereTheyAre) {
  const std::string tar = sample_tar();
  const layer::SeekIndex index =
      layer::SeekIndex::parse(index_of(zlib_packed(tar), layer::Compression::kGzip).format());
  ASSERT_EQ(index.members.size(), 6u);
  const layer::IndexedMember& big = index.members[1];
  EXPECT_EQ(big.entry.path, "d/big");
  EXPECT_EQ(big.entry.mode, 04755u);
  EXPECT_EQ(big.entry.uid, 5);
  EXPECT_EQ(big.entry.mtime, (layer::TarTime{-3, 0}));
  EXPECT_EQ(tar.substr(big.offset, big.entry.size), noise(3'500'000, 1));
  EXPECT_EQ(index.members[2].entry.link, "d/big");
  const layer::IndexedMember& small = index.members[5];
  EXPECT_EQ(small.entry.mtime, (layer::TarTime{5, 250'000'000}));
  EXPECT_EQ(small.entry.xattrs.at("user.a"), std::string("\0b", 2));
  EXPECT_EQ(tar.substr(small.offset, small.entry.size), "hello");
}

TEST_F(SeekIndexTest, ADamagedIndexIsNoticed) {
  const std::string tar = member({.name = "f"}, "content") + end();
  const std::string text = index_of(zlib_packed(tar), layer::Compression::kGzip).format();
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    EXPECT_THROW(layer::SeekIndex::parse(damaged), base::Error) << i;
    EXPECT_THROW(layer::SeekIndex::parse(text.substr(0, i)), base::Error) << i;
  }
}

TEST_F(SeekIndexTest, ADamagedBlobIsNeverShown) {
  const std::string tar = member({.name = "f"}, noise(3 << 20, 2)) + end();
  for (const std::string& good : {zlib_packed(tar), tar}) {
    const auto compression = good == tar ? layer::Compression::kNone : layer::Compression::kGzip;
    layer::SeekIndex index = index_of(good, compression);
    std::string blob = good;
    blob[blob.size() / 2] = static_cast<char>(blob[blob.size() / 2] ^ 1);
    auto layer = reader(blob, std::move(index));
    std::string found(tar.size(), '?');
    layer->read(0, std::as_writable_bytes(std::span(found).first(100'000)));  // before the damage
    try {
      layer->read(0, std::as_writable_bytes(std::span(found)));
      FAIL() << "the damage went unnoticed";
    } catch (const base::Error& e) {
      EXPECT_EQ(e.code(), base::Code::kCorrupt);
      EXPECT_NE(std::string(e.what()).find(oci::Digest::sha256_of(good).str()), std::string::npos)
          << e.what();
    }
    // The same chunk again, from another cursor.
    EXPECT_THROW(layer->read(tar.size() / 2, std::as_writable_bytes(std::span(found).first(1))),
                 base::Error);
  }
}

TEST_F(SeekIndexTest, WhatMustBeUnpackedFromTheBeginningIsSaid) {
  const std::string tar = member({.name = "f"}, std::string(20 << 20, 'x')) + end();
  EXPECT_EQ(
      index_of(packed(tar, layer::Compression::kZstd), layer::Compression::kZstd).whole_reason,
      "it is packed in pieces of 20.0 MiB");
  EXPECT_EQ(
      index_of(packed(tar, layer::Compression::kGzip), layer::Compression::kGzip).whole_reason, "");
}

TEST_F(SeekIndexTest, RefusesWhatUnpackingRefuses) {
  const std::string tar = member({.name = "f"}, noise(100'000, 3)) + end();
  const std::string good = zlib_packed(tar);
  std::string wrong_sum = good;
  wrong_sum[good.size() - 6] = static_cast<char>(wrong_sum[good.size() - 6] ^ 1);
  for (const std::string& bad :
       {good.substr(0, good.size() - 1), good.substr(0, good.size() / 2), good + "garbage",
        wrong_sum, std::string(), std::string("not gzip")})
    EXPECT_THROW(index_of(bad, layer::Compression::kGzip), base::Error) << bad.size();
  base::MemorySource source(base::as_bytes(good));
  layer::Limits limits;
  limits.unpacked_bytes = 50'000;
  EXPECT_THROW(layer::build_seek_index(source, oci::Digest::sha256_of(good),
                                       layer::Compression::kGzip, limits),
               base::Error);
}

}  // namespace
