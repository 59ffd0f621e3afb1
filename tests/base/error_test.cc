#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace {

TEST(Error, ContextIsPutInFrontOuterLast) {
  try {
    base::with_context("Recipe:12", [] {
      base::with_context("mount overlay",
                         [] { throw base::Error(base::Code::kInvalid, "lowerdir too long"); });
    });
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_STREQ(e.what(), "Recipe:12: mount overlay: lowerdir too long");
    EXPECT_EQ(e.message(), "lowerdir too long");
    EXPECT_EQ(e.code(), base::Code::kInvalid);
  }
}

TEST(Error, CarriesItsPlaceThroughACopy) {
  base::Error error(base::Code::kInvalid, "no such stage");
  EXPECT_FALSE(error.place().has_value());
  error.set_place({{"Recipe", 3, 3, 6, 4}, nullptr, "unknown", ""});
  base::Error copy = error;
  ASSERT_TRUE(copy.place().has_value());
  EXPECT_EQ(copy.place()->where.column, 6);
  EXPECT_EQ(copy.place()->label, "unknown");
}

TEST(SystemError, KeepsErrnoAndSpellsIt) {
  errno = ENOSPC;
  try {
    base::throw_errno("write blob");
    FAIL();
  } catch (const base::SystemError& e) {
    EXPECT_EQ(e.error_number(), ENOSPC);
    EXPECT_STREQ(e.what(), "write blob: No space left on device");
    EXPECT_EQ(e.id(), "no-space");
  }
  EXPECT_EQ(base::SystemError("open", EPERM).id(), "permission-denied");
  EXPECT_EQ(base::SystemError("open", ENXIO).id(), "system-error");
}

}  // namespace
