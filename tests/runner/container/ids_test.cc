#include "runner/container/ids.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace {

TEST(Ids, ModesAreKnownOrRefused) {
  for (const char* mode : {"", "host", "auto", "auto:size=1", "auto:size=65536", "keep-id",
                           "keep-id:uid=7", "keep-id:gid=8,uid=7", "nomap", "container:web"})
    EXPECT_NO_THROW(container::check_userns(mode)) << mode;
  for (const char* mode : {"auto:", "auto:size=", "auto:size=0", "auto:size=65537", "auto:size=x",
                           "container:", "private", "ns:/proc/1/ns/user", "AUTO",
                           "keep-id:", "keep-id:uid=", "keep-id:name=x", "keep-idx"})
    EXPECT_THROW(container::check_userns(mode), base::Error) << mode;
}

std::string text(const std::vector<sys::IdRange>& rows) {
  std::string out;
  for (const sys::IdRange& row : rows)
    out += std::to_string(row.inside) + ":" + std::to_string(row.outside) + ":" +
           std::to_string(row.count) + " ";
  return out;
}

TEST(Ids, KeptOnesLieBetweenTheOthers) {
  using container::kept_rows;
  EXPECT_EQ(text(kept_rows({{0, 1000, 1}, {1, 600000, 65536}}, 1000)),
            "1000:0:1 0:1:1000 1001:1001:64536 ");
  // One id and nothing else; more than there are; several ranges.
  EXPECT_EQ(text(kept_rows({{0, 1000, 1}}, 1000)), "1000:0:1 ");
  EXPECT_EQ(text(kept_rows({{0, 1000, 1}, {1, 600000, 10}}, 1000)), "1000:0:1 0:1:10 ");
  EXPECT_EQ(text(kept_rows({{0, 1000, 1}, {1, 5000, 10}, {11, 9000, 10}}, 12)),
            "12:0:1 0:1:10 10:11:2 13:13:8 ");
}

TEST(Ids, OnlyThoseWhoAskHaveTheirOwn) {
  container::Config config;
  EXPECT_FALSE(container::has_own_ids(config));
  config.userns = "auto";
  EXPECT_TRUE(container::has_own_ids(config));
  config.userns.clear();
  config.id_maps.uids = {{0, 1, 2}};
  EXPECT_TRUE(container::has_own_ids(config));
}

}  // namespace
