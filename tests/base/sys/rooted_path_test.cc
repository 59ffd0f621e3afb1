#include "base/sys/rooted_path.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace {

TEST(RootedPath, CannotLeaveTheRoot) {
  EXPECT_EQ(sys::RootedPath("../../etc//./passwd/").str(), "/etc/passwd");
  EXPECT_EQ(sys::RootedPath("a/../..").str(), "/");
  EXPECT_EQ(sys::RootedPath("/a").join("../b").str(), "/b");
  EXPECT_EQ(sys::RootedPath("/a").join("/b").str(), "/b");
  EXPECT_EQ(sys::RootedPath("/a").below("/b").str(), "/a/b");
  EXPECT_EQ(sys::RootedPath("/a").below("b").str(), "/a/b");
  EXPECT_EQ(sys::RootedPath().below("b").str(), "/b");
  for (const char* nowhere : {"", ".", "/", "b/.."})
    EXPECT_EQ(sys::RootedPath("/a").below(nowhere).str(), "/a") << nowhere;
  EXPECT_EQ(sys::RootedPath("/a").below("..").str(), "/");
  EXPECT_THROW(sys::RootedPath("/a").below(std::string_view("b\0c", 3)), base::Error);
  EXPECT_THROW(sys::RootedPath(std::string_view("a\0b", 3)), base::Error);
}

TEST(RootedPath, KnowsItsParts) {
  sys::RootedPath path("/a/b");
  EXPECT_EQ(path.name(), "b");
  EXPECT_EQ(path.parent().str(), "/a");
  EXPECT_EQ(path.parent().parent().str(), "/");
  EXPECT_STREQ(sys::RootedPath().relative(), ".");
  EXPECT_TRUE(path.is_within(sys::RootedPath("/a")));
  EXPECT_FALSE(sys::RootedPath("/ab").is_within(sys::RootedPath("/a")));
}

}  // namespace
