#include "runner/container/ids.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace {

TEST(Ids, ModesAreKnownOrRefused) {
  for (const char* mode : {"", "host", "auto", "auto:size=1", "auto:size=65536", "keep-id", "nomap",
                           "container:web"})
    EXPECT_NO_THROW(container::check_userns(mode)) << mode;
  for (const char* mode : {"auto:", "auto:size=", "auto:size=0", "auto:size=65537", "auto:size=x",
                           "container:", "private", "ns:/proc/1/ns/user", "AUTO"})
    EXPECT_THROW(container::check_userns(mode), base::Error) << mode;
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
