#include "store/oci/platform.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace {

using oci::Platform;

TEST(Platform, FoldsOtherNames) {
  EXPECT_EQ(Platform::parse("Linux/x86_64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("linux/aarch64").str(), "linux/arm64");
  EXPECT_EQ(Platform::parse("linux/arm64/v8").str(), "linux/arm64");
  EXPECT_EQ(Platform::parse("linux/armhf").str(), "linux/arm/v7");
  EXPECT_EQ(Platform::parse("linux/arm/6").str(), "linux/arm/v6");
  EXPECT_EQ(Platform::parse("windows(10.0.17763)/amd64").os_version, "10.0.17763");
}

TEST(Platform, OnePartAloneTakesTheOtherFromTheHost) {
  EXPECT_EQ(Platform::parse("linux"), Platform::host());
  EXPECT_EQ(Platform::parse("s390x").str(), "linux/s390x");
}

TEST(Platform, RefusesNonsense) {
  for (const char* bad : {"", "/", "linux/", "a/b/c/d", "nosuch", "linux/am d64", "linux/\x1b"})
    EXPECT_THROW(Platform::parse(bad), base::Error) << bad;
}

TEST(Platform, OlderVariantsServeNewerMachinesAndNotTheReverse) {
  auto p = [](const char* text) { return Platform::parse(text); };
  EXPECT_TRUE(p("linux/arm/v6").satisfies(p("linux/arm/v7")));
  EXPECT_FALSE(p("linux/arm/v7").satisfies(p("linux/arm/v6")));
  EXPECT_TRUE(p("linux/amd64").satisfies(p("linux/amd64/v3")));
  EXPECT_FALSE(p("linux/amd64/v3").satisfies(p("linux/amd64")));
  EXPECT_FALSE(p("linux/386").satisfies(p("linux/amd64")));
  EXPECT_FALSE(p("windows/amd64").satisfies(p("linux/amd64")));
}

}  // namespace
