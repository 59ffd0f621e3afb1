#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace {

TEST(Error, ContextIsPutInFrontOuterLast) {
  try {
    base::with_context("Recipe:12", [] {
      base::with_context("mount overlay", [] {
        throw base::Error(base::Code::kInvalid, "lowerdir too long");
      });
    });
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_STREQ(e.what(), "Recipe:12: mount overlay: lowerdir too long");
    EXPECT_EQ(e.message(), "lowerdir too long");
    EXPECT_EQ(e.code(), base::Code::kInvalid);
  }
}

TEST(SystemError, KeepsErrnoAndSpellsIt) {
  errno = ENOSPC;
  try {
    base::throw_errno("write blob");
    FAIL();
  } catch (const base::SystemError& e) {
    EXPECT_EQ(e.error_number(), ENOSPC);
    EXPECT_STREQ(e.what(), "write blob: No space left on device");
  }
}

}  // namespace
