#include "base/sys/overlay_mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/sys/root.h"
#include "tests/support/temp_dir.h"

namespace {

class OverlayMount : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  int open_dir(const std::string& name) {
    std::filesystem::create_directories(dir_ / name);
    fds_.emplace_back(open((dir_ / name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return fds_.back().get();
  }
  static std::string read(const sys::UniqueFd& root, const char* path) {
    return sys::Root(root.duplicate()).read_file(sys::RootedPath(path), 4096).value_or("(absent)");
  }
  support::TempDir dir_;
  std::vector<sys::UniqueFd> fds_;
};

std::string mount_table() {
  std::ifstream file("/proc/self/mountinfo");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST_F(OverlayMount, ShowsTheTopmostLayerAndLeavesTheHostsMountTableAlone) {
  dir_.write("top/file", "top");
  dir_.write("bottom/file", "bottom");
  dir_.write("bottom/only", "below");
  std::string before = mount_table();
  sys::UniqueFd root = sys::mount_overlay({.lowers = {open_dir("top"), open_dir("bottom")}});
  EXPECT_EQ(read(root, "/file"), "top");
  EXPECT_EQ(read(root, "/only"), "below");
  EXPECT_EQ(mount_table(), before);
  EXPECT_LT(openat(root.get(), "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644), 0);
}

TEST_F(OverlayMount, MountsOneLayerAlone) {
  dir_.write("one/file", "content");
  sys::UniqueFd root = sys::mount_overlay({.lowers = {open_dir("one")}});
  EXPECT_EQ(read(root, "/file"), "content");
}

TEST_F(OverlayMount, ChangesLandInTheUpperDirectory) {
  dir_.write("lower/file", "old");
  {
    sys::UniqueFd root = sys::mount_overlay({.lowers = {open_dir("lower")},
                                             .upper = open_dir("upper"),
                                             .work = open_dir("work"),
                                             .is_volatile = true});
    sys::UniqueFd file(openat(root.get(), "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    ASSERT_TRUE(file);
    EXPECT_EQ(unlinkat(root.get(), "file", 0), 0);
  }
  EXPECT_TRUE(std::filesystem::exists(dir_ / "upper/new"));
  struct stat status;
  ASSERT_EQ(lstat((dir_ / "upper/file").c_str(), &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  EXPECT_EQ(status.st_rdev, 0u);
}

TEST_F(OverlayMount, EveryMethodGivesTheSame) {
  dir_.write("a/file", "a");
  dir_.write("b/below", "b");
  int round = 0;
  for (auto method : {sys::OverlayMethod::kBest, sys::OverlayMethod::kOneText,
                      sys::OverlayMethod::kShortNames, sys::OverlayMethod::kPrivateNamespace}) {
    std::string before = mount_table(), number = std::to_string(round++);
    sys::OverlayOptions options = {.lowers = {open_dir("a"), open_dir("b")},
                                   .upper = open_dir("upper" + number),
                                   .work = open_dir("work" + number),
                                   .is_volatile = true};
    sys::UniqueFd root = sys::mount_overlay(options, method);
    EXPECT_EQ(read(root, "/file"), "a") << number;
    EXPECT_EQ(read(root, "/below"), "b") << number;
    sys::UniqueFd file(openat(root.get(), "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    EXPECT_TRUE(file);
    EXPECT_TRUE(std::filesystem::exists(dir_ / ("upper" + number + "/new")));
    EXPECT_EQ(mount_table(), before);
  }
}

TEST_F(OverlayMount, StacksManyLayersWithoutNamingEachAlone) {
  std::vector<int> lowers;
  for (int i = 0; i < 300; ++i) lowers.push_back(open_dir("layers/" + std::to_string(i)));
  dir_.write("layers/299/deep", "bottom");
  sys::UniqueFd root =
      sys::mount_overlay({.lowers = lowers}, sys::OverlayMethod::kPrivateNamespace);
  EXPECT_EQ(read(root, "/deep"), "bottom");
}

TEST_F(OverlayMount, StacksFiveHundredLayersAndRefusesMore) {
  std::vector<int> lowers;
  for (int i = 0; i < 500; ++i) lowers.push_back(open_dir("layers/" + std::to_string(i)));
  dir_.write("layers/499/deep", "bottom");
  sys::UniqueFd root = sys::mount_overlay({.lowers = lowers});
  EXPECT_EQ(read(root, "/deep"), "bottom");
  lowers.push_back(open_dir("layers/500"));
  EXPECT_THROW(sys::mount_overlay({.lowers = lowers}), base::Error);
}

}  // namespace
