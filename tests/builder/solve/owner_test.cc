#include "builder/solve/owner.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/temp_dir.h"

namespace {

class OwnerTest : public ::testing::Test {
 protected:
  OwnerTest() {
    dir_.write("etc/passwd",
               "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/:/bin/sh\n55:x:1:1::/:/bin/sh\n");
    dir_.write("etc/group", "root:x:0:\nstaff:x:50:\n");
    root_ = sys::Root::open(dir_.path());
  }
  std::string resolve(const char* text, bool with_files = true) {
    solve::Owner owner = solve::resolve_owner(with_files ? &root_ : nullptr, text);
    return std::to_string(owner.uid) + ":" + std::to_string(owner.gid);
  }
  support::TempDir dir_;
  sys::Root root_;
};

TEST_F(OwnerTest, NamesTakeTheirGroupFromPasswdAndNumbersAreTheirOwn) {
  EXPECT_EQ(resolve("web"), "33:34");
  EXPECT_EQ(resolve("7"), "7:7");
  EXPECT_EQ(resolve("web:staff"), "33:50");
  EXPECT_EQ(resolve("web:9"), "33:9");
  EXPECT_EQ(resolve("root"), "0:0");
}

TEST_F(OwnerTest, DigitsAreNeverAName) { EXPECT_EQ(resolve("55"), "55:55"); }

TEST_F(OwnerTest, UnknownNamesAndImpossibleNumbersAreErrors) {
  for (const char* bad : {"nobody", "web:none", "4294967296", "2147483648:0", "-1"})
    EXPECT_THROW(resolve(bad), base::Error) << bad;
  EXPECT_THROW(resolve("web", false), base::Error);
  EXPECT_EQ(resolve("3:4", false), "3:4");
}

}  // namespace
