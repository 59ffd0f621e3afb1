#include "base/sys/mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace {

TEST(MountInfo, IsReadWithItsEscapes) {
  const auto mounts = sys::parse_mountinfo(
      "36 35 98:0 /mnt1 /mnt\\0402\\134x rw,noatime master:1 - ext3 /dev/root rw\n"
      "nonsense\n"
      "x 1 0:1 / / rw\n"
      "37 35 0:45 / /a\\012b ro - overlay torte:/x\\040y ro\n");
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].id, 36u);
  EXPECT_EQ(mounts[0].device, "98:0");
  EXPECT_EQ(mounts[0].point, "/mnt 2\\x");
  EXPECT_EQ(mounts[0].source, "/dev/root");
  EXPECT_TRUE(mounts[0].is_slave);
  EXPECT_FALSE(mounts[0].is_shared);
  EXPECT_EQ(mounts[1].point, "/a\nb");
  EXPECT_FALSE(mounts[1].is_slave);
  EXPECT_EQ(mounts[1].source, "torte:/x y");
}

TEST(MountInfo, HoldsTheMountOfAnOpenFile) {
  const sys::UniqueFd fd(::open("/proc", O_PATH | O_CLOEXEC));
  const uint64_t id = sys::mount_id(fd.get());
  const auto mounts = sys::list_mounts();
  EXPECT_TRUE(std::any_of(mounts.begin(), mounts.end(), [&](const sys::MountInfo& each) {
    return each.id == id && each.point == "/proc";
  }));
}

}  // namespace
