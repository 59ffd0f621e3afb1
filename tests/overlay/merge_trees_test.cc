#include "overlay/merge_trees.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/layer/writer.h"
#include "tests/support/temp_dir.h"

namespace {

class MergeTreesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to make whiteouts";
    store_ = store::Store::open(dir_ / "store", store::Access::kReadWrite);
  }
  // A layer below the store's directory: links cross no file system.
  std::filesystem::path layer(const std::string& name) {
    std::filesystem::path path = dir_ / ("store/" + name);
    std::filesystem::create_directories(path);
    stack_.push_back(std::make_shared<overlay::Tree>(path, nullptr));
    return path;
  }
  void write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    dir_.write(std::filesystem::relative(path, dir_ / "").string(), text);
  }
  static void hide(const std::filesystem::path& path) {
    ASSERT_EQ(mknod(path.c_str(), S_IFCHR, 0), 0);
  }
  overlay::TreePtr merge(overlay::MergeOptions options = {}) {
    merged_ = overlay::merge_trees(*store_, stack_, options);
    return merged_;
  }
  std::string text(const std::string& name) {
    return sys::Root::open(merged_->path())
        .read_file(sys::RootedPath(name), 1000)
        .value_or("(missing)");
  }
  bool is_hidden(const std::string& name) {
    struct stat st;
    return lstat((merged_->path() / name).c_str(), &st) == 0 && S_ISCHR(st.st_mode) &&
           st.st_rdev == 0;
  }
  bool is_opaque(const std::string& name) {
    char value = 0;
    return lgetxattr((merged_->path() / name).c_str(), "trusted.overlay.opaque", &value, 1) == 1 &&
           value == 'y';
  }

  support::TempDir dir_;
  std::unique_ptr<store::Store> store_;
  overlay::Stack stack_;
  overlay::TreePtr merged_;
};

TEST_F(MergeTreesTest, LaterFilesReplaceAndDirectoriesMerge) {
  auto one = layer("one"), two = layer("two");
  write(one / "d/a", "1");
  write(one / "d/b", "1");
  write(two / "d/b", "2");
  chmod((two / "d").c_str(), 0700);
  merge();
  EXPECT_EQ(text("/d/a") + text("/d/b"), "12");
  struct stat st;
  stat((merged_->path() / "d").c_str(), &st);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
}

TEST_F(MergeTreesTest, WhiteoutsStayForWhatIsBelowAndGoWhenNothingIs) {
  auto one = layer("one"), two = layer("two");
  write(one / "gone", "1");
  write(one / "again/old", "1");
  hide(two / "gone");
  hide(two / "never-here");
  hide(two / "again");
  auto three = layer("three");
  write(three / "again/new", "3");
  merge();
  EXPECT_TRUE(is_hidden("gone"));
  EXPECT_TRUE(is_hidden("never-here"));
  EXPECT_TRUE(is_opaque("again"));
  EXPECT_EQ(text("/again/old"), "(missing)");
  EXPECT_EQ(text("/again/new"), "3");
  merge({.latest_mtime = {}, .keep_whiteouts = false});
  EXPECT_FALSE(is_hidden("gone"));
  EXPECT_FALSE(is_opaque("again"));
  EXPECT_EQ(text("/again/new"), "3");
}

TEST_F(MergeTreesTest, AnOpaqueDirectoryHidesTheLayersBefore) {
  auto one = layer("one"), two = layer("two");
  write(one / "d/old", "1");
  write(two / "d/new", "2");
  setxattr((two / "d").c_str(), "trusted.overlay.opaque", "y", 1, 0);
  merge();
  EXPECT_EQ(text("/d/old"), "(missing)");
  EXPECT_EQ(text("/d/new"), "2");
  EXPECT_TRUE(is_opaque("d"));
}

TEST_F(MergeTreesTest, FilesOfOneInodeInTwoLayersAreNoHardLink) {
  auto one = layer("one"), two = layer("two");
  write(one / "a", "same");
  std::filesystem::create_hard_link(one / "a", one / "b");
  std::filesystem::create_hard_link(one / "a", two / "c");
  merge();
  auto inode = [&](const char* name) {
    struct stat st;
    lstat((merged_->path() / name).c_str(), &st);
    return st.st_ino;
  };
  EXPECT_EQ(inode("a"), inode("b"));
  EXPECT_NE(inode("a"), inode("c"));
  EXPECT_EQ(text("/c"), "same");
}

TEST_F(MergeTreesTest, LateTimesAreLoweredAndTheSourceKeepsItsOwn) {
  auto one = layer("one");
  write(one / "new", "x");
  std::filesystem::create_hard_link(one / "new", one / "twin");
  write(one / "old", "x");
  symlink("x", (one / "link").c_str());
  timespec old_times[2] = {{5, 0}, {5, 0}};
  utimensat(AT_FDCWD, (one / "old").c_str(), old_times, 0);
  merge({.latest_mtime = 1000, .keep_whiteouts = true});
  auto time = [&](const std::filesystem::path& path) {
    struct stat st;
    lstat(path.c_str(), &st);
    return st.st_mtim.tv_sec;
  };
  EXPECT_EQ(time(merged_->path() / "new"), 1000);
  EXPECT_EQ(time(merged_->path() / "link"), 1000);
  EXPECT_EQ(time(merged_->path() / "old"), 5);
  EXPECT_GT(time(one / "new"), 1000);
  EXPECT_TRUE(std::filesystem::equivalent(merged_->path() / "new", merged_->path() / "twin"));
  // The tar that says so is the one a clamping writer makes.
  base::Sha256 clamped, merged;
  layer::write_tree(sys::Root::open(one), clamped, {.clamp_mtime = 1000});
  layer::write_tree(sys::Root::open(merged_->path()), merged, {});
  EXPECT_EQ(clamped.finish_hex(), merged.finish_hex());
}

}  // namespace
