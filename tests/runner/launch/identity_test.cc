#include "runner/launch/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "tests/support/temp_dir.h"

namespace {

class Identity : public ::testing::Test {
 protected:
  Identity() {
    dir_.write("etc/passwd",
               "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1001::/home/user:/bin/sh\n"
               "4294967296:x:0:0::/:/bin/sh\nbroken line\n99:x:5:5::/:\n");
    dir_.write("etc/group", "root:x:0:\nwheel:x:10:user,root\nstaff:x:50:user\n");
  }
  launch::Identity resolve(const char* user) {
    return launch::resolve_user(sys::Root::open(dir_.path()), user);
  }
  support::TempDir dir_;
};

TEST_F(Identity, NamesBringTheirGroupsAndHome) {
  launch::Identity user = resolve("user");
  EXPECT_EQ(user.uid, 1000u);
  EXPECT_EQ(user.gid, 1001u);
  EXPECT_THAT(user.groups, ::testing::ElementsAre(1001u, 10u, 50u));
  EXPECT_EQ(user.home, "/home/user");
}

TEST_F(Identity, AnExplicitGroupIsTheOnlyOne) {
  launch::Identity user = resolve("user:staff");
  EXPECT_EQ(user.gid, 50u);
  EXPECT_THAT(user.groups, ::testing::ElementsAre(50u));
  EXPECT_EQ(resolve("1000:7").gid, 7u);
}

TEST_F(Identity, LoneNumbersAreLookedUpAndMayBeUnknown) {
  EXPECT_EQ(resolve("1000").gid, 1001u);
  EXPECT_EQ(resolve("1000").home, "/home/user");
  EXPECT_EQ(resolve("4711").uid, 4711u);
  EXPECT_EQ(resolve("4711").gid, 0u);
  EXPECT_THAT(resolve("4711").groups, ::testing::ElementsAre(0u));
  EXPECT_EQ(resolve("").uid, 0u);
  EXPECT_EQ(resolve("").home, "/root");
}

TEST_F(Identity, DigitsAreNeverAName) {
  for (const char* user : {"4294967296", "2147483648", "99999999999"})
    EXPECT_THROW(resolve(user), base::Error) << user;
  EXPECT_EQ(resolve("99").uid, 99u);
}

TEST_F(Identity, UnknownNamesAreErrors) {
  for (const char* user : {"-1", "0x0", "nosuchuser", "0:nosuchgroup", "user:-5", " 0"})
    EXPECT_THROW(resolve(user), base::Error) << user;
}

TEST_F(Identity, RootNeedsNoFiles) {
  support::TempDir empty;
  EXPECT_EQ(launch::resolve_user(sys::Root::open(empty.path()), "root:root").uid, 0u);
  ASSERT_EQ(mkdir((empty / "etc").c_str(), 0755), 0);
  ASSERT_EQ(mkfifo((empty / "etc/passwd").c_str(), 0644), 0);
  EXPECT_EQ(launch::resolve_user(sys::Root::open(empty.path()), "5:6").gid, 6u);
  EXPECT_THROW(launch::resolve_user(sys::Root::open(empty.path()), "user"), base::Error);
}

TEST_F(Identity, LinksStayInsideTheRoot) {
  support::TempDir other;
  std::filesystem::create_directory(other / "etc");
  std::filesystem::create_symlink(dir_ / "etc/passwd", other / "etc/passwd");
  EXPECT_THROW(launch::resolve_user(sys::Root::open(other.path()), "user"), base::Error);
}

}  // namespace
