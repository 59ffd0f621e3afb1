#include "base/sys/root.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/temp_dir.h"

namespace {

using sys::RootedPath;

TEST(Root, LinksResolveInsideTheRoot) {
  support::TempDir dir;
  dir.write("root/etc/passwd", "inside");
  std::filesystem::create_symlink("/etc", dir / "root/link");
  std::filesystem::create_symlink("../../../../etc/passwd", dir / "root/up");
  sys::Root root = sys::Root::open(dir / "root");
  EXPECT_EQ(root.read_file(RootedPath("link/passwd"), 100), "inside");
  EXPECT_EQ(root.read_file(RootedPath("up"), 100), "inside");
  EXPECT_EQ(root.resolve(RootedPath("link/new")).str(), "/etc/new");
  EXPECT_EQ(root.resolve(RootedPath("up")).str(), "/etc/passwd");
}

TEST(Root, RefusesWhatIsNotAFileOrTooLarge) {
  support::TempDir dir;
  dir.write("big", "0123456789");
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  sys::Root root = sys::Root::open(dir.path());
  EXPECT_THROW(root.read_file(RootedPath("fifo"), 100), base::Error);
  EXPECT_THROW(root.read_file(RootedPath("big"), 5), base::Error);
  EXPECT_EQ(root.read_file(RootedPath("absent"), 5), std::nullopt);
  EXPECT_EQ(root.read_file(RootedPath("big/absent"), 5), std::nullopt);
}

TEST(Root, LinkLoopsAreAnError) {
  support::TempDir dir;
  std::filesystem::create_symlink("b", dir / "a");
  std::filesystem::create_symlink("a", dir / "b");
  sys::Root root = sys::Root::open(dir.path());
  EXPECT_THROW(root.resolve(RootedPath("a")), base::Error);
}

}  // namespace
