#include "store/oci/timestamp.h"

#include <gtest/gtest.h>

namespace {

TEST(Timestamp, ReadsWhatItWrites) {
  for (const char* text : {"1970-01-01T00:00:00Z", "2024-02-29T23:59:59.123Z",
                           "2015-10-31T22:22:56.015925234Z", "1969-12-31T23:59:59.5Z"}) {
    auto time = oci::parse_timestamp(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(oci::parse_timestamp(oci::format_timestamp(*time)), time) << text;
  }
  EXPECT_EQ(oci::format_timestamp(*oci::parse_timestamp("2024-02-29T23:59:59.120+01:00")),
            "2024-02-29T22:59:59.120Z");
}

TEST(Timestamp, RefusesAnythingElse) {
  for (const char* bad : {"", "2023-02-29T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00",
                          "2024-01-01T24:00:00Z", "2024-01-01T00:00:00.Z", "2024-1-01T00:00:00Z",
                          "2024-01-01T00:00:00Zx", "9999-01-01T00:00:00Z", "2024-01-01T00:00:00+1"})
    EXPECT_FALSE(oci::parse_timestamp(bad)) << bad;
}

}  // namespace
