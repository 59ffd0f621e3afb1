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

}  // namespace
