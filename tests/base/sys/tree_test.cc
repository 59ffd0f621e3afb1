#include "base/sys/tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "base/error.h"
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

TEST(GiveTree, ChangesEveryOwnerAndFollowsNoLink) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  support::TempDir directory;
  std::filesystem::create_directories(directory.path() / "tree/below");
  std::ofstream(directory.path() / "outside") << "x";
  std::ofstream(directory.path() / "tree/below/file") << "x";
  std::filesystem::create_symlink(directory.path() / "outside", directory.path() / "tree/link");
  const sys::UniqueFd tree(::open((directory.path() / "tree").c_str(), O_PATH | O_CLOEXEC));
  sys::give_tree(tree.get(), 5, 6);
  auto owner = [&](const char* name) {
    struct stat st = {};
    EXPECT_EQ(::lstat((directory.path() / name).c_str(), &st), 0);
    return std::pair(st.st_uid, st.st_gid);
  };
  for (const char* name : {"tree", "tree/below", "tree/below/file", "tree/link"})
    EXPECT_EQ(owner(name), std::pair(uid_t{5}, gid_t{6})) << name;
  EXPECT_EQ(owner("outside"), std::pair(::geteuid(), ::getegid()));
  const sys::UniqueFd file(::open((directory.path() / "outside").c_str(), O_PATH | O_CLOEXEC));
  sys::give_tree(file.get(), 7, 8);
  EXPECT_EQ(owner("outside"), std::pair(uid_t{7}, gid_t{8}));
  EXPECT_THROW(sys::give_tree(-1, 5, 6), base::Error);
}

}  // namespace
