#include "store/blob.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/sys/root.h"
#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::Store;

struct BlobTest : testing::Test {
  support::TempDir temp;
  std::unique_ptr<Store> store = Store::open(temp.path(), Access::kReadWrite);

  std::unique_ptr<store::BlobWriter> written(const std::string& text,
                                             const store::Expected& expected = {}) {
    auto writer = store->write_blob(expected);
    writer->write(base::as_bytes(text));
    return writer;
  }
  size_t blobs_on_disk() {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(store->layout().blobs()))
      count += entry.is_regular_file();
    return count;
  }
};

TEST_F(BlobTest, IsVisibleOnlyAfterCommit) {
  const oci::Digest digest = oci::Digest::sha256_of("hello");
  auto writer = written("hello");
  EXPECT_FALSE(store->find_blob(digest));
  EXPECT_EQ(writer->commit(), digest);
  EXPECT_EQ(store->read_blob(digest, 100), "hello");
  EXPECT_EQ(store->find_blob(digest)->size_bytes(), 5u);
}

TEST_F(BlobTest, LeavesNothingWhenAbandoned) {
  written("hello").reset();
  const oci::Digest digest = written("other")->finish().digest();
  EXPECT_FALSE(store->find_blob(digest));
  EXPECT_EQ(blobs_on_disk(), 0u);
  store.reset();
  EXPECT_TRUE(std::filesystem::is_empty(temp / "staging"));
}

TEST_F(BlobTest, MayBeWrittenTwice) {
  written("hello")->commit();
  written("hello")->commit();
  EXPECT_EQ(blobs_on_disk(), 1u);
}

TEST_F(BlobTest, IsRefusedWhenDigestOrSizeDiffer) {
  EXPECT_THROW(written("hello")->commit({.digest = oci::Digest::sha256_of("hellO")}), base::Error);
  EXPECT_THROW(written("hello")->commit({.size_bytes = 6}), base::Error);
  EXPECT_THROW(written("hello", {.size_bytes = 4}), base::Error);
  EXPECT_THROW(written("hello", {.digest = oci::Digest::sha256_of("x")})->finish(), base::Error);
  EXPECT_EQ(blobs_on_disk(), 0u);
}

TEST_F(BlobTest, CanBeNamedBySha512) {
  base::Sha512 hash;
  hash.write(base::as_bytes("hello"));
  const oci::Digest digest = oci::Digest::parse("sha512:" + hash.finish_hex());
  EXPECT_EQ(written("hello", {.digest = digest})->commit(), digest);
  EXPECT_EQ(store->read_blob(digest, 100), "hello");
}

TEST_F(BlobTest, EmptyOnesWork) {
  const oci::Digest digest = store->write_blob()->commit();
  EXPECT_EQ(store->read_blob(digest, 0), "");
}

TEST_F(BlobTest, ReadingThrowsWhenABitFlipped) {
  const oci::Digest digest = written("hello world")->commit();
  std::fstream file(store->layout().blob(digest), std::ios::in | std::ios::out);
  file.seekp(3);
  file.put('X');
  file.close();
  auto blob = store->open_blob(digest);
  std::array<std::byte, 11> buffer;
  try {
    blob.read(buffer);
    FAIL() << "a damaged blob was read";
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::Code::kCorrupt);
  }
}

TEST_F(BlobTest, WritingAgainHealsADamagedOne) {
  const oci::Digest digest = written("hello world")->commit();
  std::ofstream(store->layout().blob(digest)) << "rubbish";
  written("hello world")->commit();
  EXPECT_EQ(store->read_blob(digest, 100), "hello world");
}

TEST_F(BlobTest, AbsentOnesAreNotFound) {
  EXPECT_FALSE(store->find_blob(oci::Digest::sha256_of("x")));
  EXPECT_THROW(store->open_blob(oci::Digest::sha256_of("x")), base::Error);
}

/// A blob that is fetched in two goes.
struct ResumedBlobTest : BlobTest {
  const std::string text = "the whole of the blob";
  const store::Expected expected{oci::Digest::sha256_of(text), text.size()};
  std::filesystem::path file = store->layout().partial(*expected.digest);

  /// Writes the first bytes and goes, as a process does that is asked to stop, or that failed.
  void write_some(size_t bytes, bool stopped) {
    std::stop_source stop;
    auto writer = store->resume_blob(expected, stop.get_token());
    writer->write(base::as_bytes(text).first(bytes));
    if (stopped) stop.request_stop();
  }
};

TEST_F(ResumedBlobTest, GoesOnWhereAnInterruptedOneLeftOff) {
  write_some(8, true);
  auto writer = store->resume_blob(expected, {});
  ASSERT_EQ(writer->resumed_bytes(), 8u);
  auto there = writer->resumed();
  EXPECT_EQ(base::copy(*there, *writer), 8u);
  writer->write(base::as_bytes(text).subspan(8));
  store::Batch batch = store->batch();
  batch.add_blob(writer->finish());
  batch.commit();
  EXPECT_EQ(store->read_blob(*expected.digest, 100), text);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(ResumedBlobTest, IsGoneAfterAFailure) {
  write_some(8, false);
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(ResumedBlobTest, IsRefusedWhenWhatWasLeftIsDamaged) {
  write_some(8, true);
  std::ofstream(file) << "THE WHOLE";
  {
    auto writer = store->resume_blob(expected, {});
    auto there = writer->resumed();
    uint64_t have = base::copy(*there, *writer);
    writer->write(base::as_bytes(text).subspan(have));
    EXPECT_THROW(writer->finish(), base::Error);
  }
  write_some(8, true);
  std::ofstream(file) << std::string(100, 'x');  // more than the blob has
  EXPECT_EQ(store->resume_blob(expected, {})->resumed_bytes(), 0u);
}

TEST_F(ResumedBlobTest, IsPrunedUnlessSomebodyIsFetchingIt) {
  write_some(8, true);
  {
    store::Claim claim = store->claim_fetch(*expected.digest);
    store->prune({});
    EXPECT_TRUE(std::filesystem::exists(file));
  }
  store->prune({});
  EXPECT_FALSE(std::filesystem::exists(file));
}

}  // namespace
