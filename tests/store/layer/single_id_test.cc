// What an ordinary user cannot make is kept in attributes and comes out again.
#include "tests/store/layer/tree_fixture.h"

namespace {

using namespace tarbytes;

using SingleId = TreeTest;

TEST_F(SingleId, OwnersComeBackFromTheirAttribute) {
  std::string tar = block({.name = "d/", .type = '5', .mode = 0755, .uid = 8}) +
                    member({.name = "d/f", .mode = 0444, .uid = 5, .gid = 6}, "x") +
                    member({.name = "r"}, "x") + end();
  layer::ExtractOptions options;
  options.single_id = true;
  extract(tar, options);
  EXPECT_EQ(stat("d/f")->st_uid, 0u);
  EXPECT_EQ(mode("d/f"), 0444u);
  EXPECT_EQ(xattr("d/f", layer::kOwnerXattr), "5:6");
  EXPECT_EQ(xattr("r", layer::kOwnerXattr), "(absent)");
  EXPECT_EQ(write(), tar);
}

TEST_F(SingleId, DevicesComeBackFromTheirAttribute) {
  dir_.write("tree/sda", "");
  sys::UniqueFd fd = tree().open_at(sys::RootedPath("sda"), O_RDWR);
  sys::set_xattr(fd.get(), layer::kDeviceXattr, "b:8:1");
  ASSERT_EQ(::fchmod(fd.get(), 0660), 0);
  struct timespec times[2] = {{0, 0}, {0, 0}};
  ASSERT_EQ(::futimens(fd.get(), times), 0);
  EXPECT_EQ(write(),
            block({.name = "sda", .type = '4', .mode = 0660, .major = 8, .minor = 1}) + end());
}

TEST_F(SingleId, LaterEntriesTakeAnOwnerBack) {
  layer::ExtractOptions options;
  options.single_id = true;
  extract(block({.name = "d", .type = '5', .mode = 0755, .uid = 8}) + directory("d") + end(),
          options);
  EXPECT_EQ(xattr("d", layer::kOwnerXattr), "(absent)");
}

}  // namespace
