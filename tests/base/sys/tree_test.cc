#include "base/sys/tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys/fd.h"
#include "tests/support/temp_dir.h"

namespace {

TEST(RemoveTree, WorksBelowPathMaxAndDoesNotFollowLinks) {
  support::TempDir dir;
  dir.write("outside/kept", "x");
  std::filesystem::create_directory(dir / "tree");
  std::filesystem::create_directory_symlink(dir / "outside", dir / "tree/link");
  sys::UniqueFd fd(open((dir / "tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string name(100, 'd');
  for (int depth = 0; depth < 200; ++depth) {
    ASSERT_EQ(mkdirat(fd.get(), name.c_str(), 0000), 0);
    fchmodat(fd.get(), name.c_str(), 0700, 0);
    fd = sys::UniqueFd(openat(fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  sys::remove_tree(dir / "tree");
  EXPECT_FALSE(std::filesystem::exists(dir / "tree"));
  EXPECT_TRUE(std::filesystem::exists(dir / "outside/kept"));
}

}  // namespace
