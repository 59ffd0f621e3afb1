#include "base/text.h"

#include <gtest/gtest.h>

namespace {

TEST(ParseSize, UnderstandsSuffixesAndRefusesTheRest) {
  EXPECT_EQ(base::parse_size("512"), 512u);
  EXPECT_EQ(base::parse_size("64m"), 64u << 20);
  EXPECT_EQ(base::parse_size("1.5GiB"), 3u << 29);
  for (const char* bad : {"", "m", "-1", "1x", "1mbb", "1 2", "99999999999g"})
    EXPECT_FALSE(base::parse_size(bad)) << bad;
}

TEST(ParseDecimal, RefusesSignsBlanksAndOverflow) {
  EXPECT_EQ(base::parse_decimal("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"})
    EXPECT_FALSE(base::parse_decimal(bad)) << bad;
}

TEST(Printable, EscapesControlBytesAndBrokenUtf8) {
  EXPECT_EQ(base::printable("a\x1b[31m\xffz"), "a\\x1b[31m\\xffz");
  EXPECT_EQ(base::printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(base::printable("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(base::printable("\xc0\x80"), "\\xc0\\x80");  // overlong
  EXPECT_EQ(base::printable("aaaa", 2), "aa...");
}

TEST(Nearest, SuggestsOnlyWhatIsClose) {
  EXPECT_EQ(base::nearest("RNU", {"RUN", "COPY"}), "");
  EXPECT_EQ(base::nearest("COYP", {"RUN", "COPY"}), "");
  EXPECT_EQ(base::nearest("WORKDR", {"RUN", "WORKDIR"}), "WORKDIR");
}

TEST(FormatSize, HasOneDecimalFromKiB) {
  EXPECT_EQ(base::format_size(1023), "1023 B");
  EXPECT_EQ(base::format_size(88290099), "84.2 MiB");
}

TEST(FormatElapsed, GrowsCoarserWithLength) {
  using std::chrono::milliseconds;
  EXPECT_EQ(base::format_elapsed(milliseconds(449)), "0.4s");
  EXPECT_EQ(base::format_elapsed(milliseconds(59999)), "59.9s");
  EXPECT_EQ(base::format_elapsed(milliseconds(185000)), "3m05s");
  EXPECT_EQ(base::format_elapsed(milliseconds(7620000)), "2h07m");
  EXPECT_EQ(base::format_elapsed(milliseconds(-5)), "0.0s");
}

}  // namespace
