#include "builder/context/digest_index.h"

#include <gtest/gtest.h>

#include <ctime>

namespace {

using context::DigestIndex;
using context::FileDigest;
using context::FileStamp;

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

TEST(DigestIndex, RemembersOldFilesAcrossBuilds) {
  FileStamp stamp{1, 2, 3, 1000, 1000};
  FileDigest digest{};
  digest[0] = std::byte{7};
  DigestIndex first;
  EXPECT_FALSE(first.find(stamp));
  first.put(stamp, digest);
  EXPECT_TRUE(first.changed());
  DigestIndex second(first.serialize());
  EXPECT_EQ(second.find(stamp), digest);
  EXPECT_FALSE(second.changed());
  stamp.size = 4;
  EXPECT_FALSE(second.find(stamp));
}

TEST(DigestIndex, DoesNotBelieveAFileAsYoungAsItsScan) {
  DigestIndex first;
  int64_t later = now_ns() + 1'000'000'000;
  FileStamp young_mtime{1, 2, 3, later, 1000}, young_ctime{1, 3, 3, 1000, later};
  first.put(young_mtime, {});
  first.put(young_ctime, {});
  DigestIndex second(first.serialize());
  EXPECT_FALSE(second.find(young_mtime));
  EXPECT_FALSE(second.find(young_ctime));
}

TEST(DigestIndex, ADamagedFileIsAnEmptyIndex) {
  DigestIndex first;
  first.put({1, 2, 3, 4, 5}, {});
  std::string bytes = first.serialize();
  for (size_t cut : {size_t{0}, size_t{5}, size_t{20}, bytes.size() - 1})
    EXPECT_FALSE(DigestIndex(bytes.substr(0, cut)).find({1, 2, 3, 4, 5}));
}

}  // namespace
