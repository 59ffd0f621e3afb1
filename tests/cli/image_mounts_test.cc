#include "cli/images/image_mounts.h"

#include <gtest/gtest.h>

#include "cli/system_check.h"

namespace {

TEST(MountRecord, ComesBackWhateverThePath) {
  const cli::MountRecord record{.boot = "b-1",
                                .name_space = 4026531840,
                                .mount = 77,
                                .device = "0:45",
                                .image = "sha256:ab",
                                .made_directory = true,
                                .point = "/mnt/two\nlines \\040"};
  const auto read = cli::MountRecord::parse(record.format());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->format(), record.format());
  EXPECT_EQ(read->mount, 77u);
  EXPECT_TRUE(read->made_directory);
  EXPECT_EQ(read->point, record.point);
}

TEST(MountRecord, IsRefusedWhenTorn) {
  const std::string text = cli::MountRecord{.boot = "b",
                                            .pid_namespace = 5,
                                            .name_space = 1,
                                            .mount = 2,
                                            .device = "0:1",
                                            .image = "i",
                                            .point = "/m"}
                               .format();
  EXPECT_TRUE(cli::MountRecord::parse(text));
  for (size_t size = 0; size + 1 < text.size(); ++size)
    EXPECT_FALSE(cli::MountRecord::parse(text.substr(0, size))) << size;
  EXPECT_FALSE(cli::MountRecord::parse("torte-mount 9" + text.substr(13)));
}

TEST(SystemCheck, FailsOnlyForWhatIsNeeded) {
  EXPECT_EQ(cli::check_status({}), 0);
  EXPECT_EQ(cli::check_status({{.name = "fuse", .works = false}}), 0);
  EXPECT_EQ(cli::check_status({{.name = "overlay", .works = true, .needed = true}}), 0);
  EXPECT_EQ(cli::check_status({{.name = "overlay", .works = false, .needed = true}}), 1);
}

}  // namespace
