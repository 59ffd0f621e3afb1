#include "cli/progress/sanitize.h"

#include <gtest/gtest.h>

namespace cli {
namespace {

using Lines = std::vector<std::string>;

Lines clean(std::string_view text, LineSanitizer::Options options = {}) {
  LineSanitizer sanitizer(options);
  Lines lines = sanitizer.feed(text);
  for (std::string& line : sanitizer.finish()) lines.push_back(std::move(line));
  return lines;
}

TEST(LineSanitizer, SplitsLinesAndKeepsTheUnfinishedOne) {
  LineSanitizer sanitizer({});
  EXPECT_EQ(sanitizer.feed("a\n\nb"), (Lines{"a", ""}));
  EXPECT_EQ(sanitizer.pending(), "b");
  EXPECT_EQ(sanitizer.feed("c\r\n"), Lines{"bc"});
  EXPECT_EQ(sanitizer.finish(), Lines{});
}

TEST(LineSanitizer, CarriageReturnStartsTheLineOver) {
  EXPECT_EQ(clean("10%\r20%\r100%\n"), Lines{"100%"});
  EXPECT_EQ(clean("kept\r\n"), Lines{"kept"});
  EXPECT_EQ(clean("kept\r"), Lines{"kept"});
  EXPECT_EQ(clean("ab\bc\n"), Lines{"ac"});
  EXPECT_EQ(clean("\b\bx\n"), Lines{"x"});
}

TEST(LineSanitizer, KeepsColoursInsideTheRowOnlyWhenAsked) {
  EXPECT_EQ(clean("\x1b[31mred\nplain\n"), (Lines{"red", "plain"}));
  EXPECT_EQ(clean("\x1b[31mred\nplain\n", {.keep_color = true}),
            (Lines{"\x1b[31mred\x1b[0m", "plain"}));
  EXPECT_EQ(clean("\x1b[>4;2mx\n", {.keep_color = true}), Lines{"x"});  // not SGR: a private mode
}

TEST(LineSanitizer, RemovesEveryOtherSequence) {
  EXPECT_EQ(clean("a\x1b[2Jb\x1b[10;20Hc\x1b[?1049hd"), Lines{"abcd"});
  EXPECT_EQ(clean("a\x1b]0;title\x07"
                  "b\x1b]52;c;AAAA\x1b\\c"),
            Lines{"abc"});
  EXPECT_EQ(clean("a\x1bP1;2q###\x1b\\b\x1b(Bc\x1b"
                  "7d\a"),
            Lines{"abcd"});
}

TEST(LineSanitizer, ALineBreakEndsAnUnfinishedSequence) {
  EXPECT_EQ(clean("a\x1b]0;no end\nshown\n"), (Lines{"a", "shown"}));
  EXPECT_EQ(clean("a\x1b[31\nshown\n"), (Lines{"a", "shown"}));
}

TEST(LineSanitizer, EscapesWhatIsNoText) {
  EXPECT_EQ(clean(std::string_view("a\0b\x7f\x0e", 5)), Lines{"a\\x00b\\x7f\\x0e"});
  EXPECT_EQ(clean("\xff\xc2\x9b[31m"), Lines{"\\xff\\xc2\\x9b[31m"});  // C1 CSI is no sequence here
  EXPECT_EQ(clean("\xe2\x80\xae"), Lines{"\\xe2\\x80\\xae"});          // right-to-left override
  EXPECT_EQ(clean("cut\xe6\x97\n"), Lines{"cut\\xe6\\x97"});
}

TEST(LineSanitizer, BytesMaySplitAnywhere) {
  std::string text =
      "\x1b[1;31m\xe6\x97\xa5\xe6\x9c\xac\x1b[0m ok\rnew\x1b]2;t\x1b\\ \xf0\x9f\x98\x80\nend";
  LineSanitizer::Options color{.keep_color = true};
  Lines whole = clean(text, color);
  LineSanitizer sanitizer(color);
  Lines pieces;
  for (char c : text)
    for (std::string& line : sanitizer.feed(std::string_view(&c, 1)))
      pieces.push_back(std::move(line));
  for (std::string& line : sanitizer.finish()) pieces.push_back(std::move(line));
  EXPECT_EQ(pieces, whole);
}

TEST(LineSanitizer, ExpandsTabsWhenAsked) {
  EXPECT_EQ(clean("a\tb\n"), Lines{"a\tb"});
  EXPECT_EQ(clean("a\t\xe6\x97\xa5\tb\n", {.expand_tabs = true}),
            Lines{"a       \xe6\x97\xa5      b"});
}

TEST(LineSanitizer, BreaksEndlessLines) {
  Lines lines = clean(std::string(100'000, 'x') + "\n");
  size_t total = 0;
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), 17'000u);
    EXPECT_FALSE(line.empty());
    total += line.size();
  }
  EXPECT_EQ(total, 100'000u);
}

TEST(CutStyled, CountsColumnsNotBytes) {
  EXPECT_EQ(cut_styled("\x1b[31mabcdef\x1b[0m", 3), "\x1b[31mabc\x1b[0m");
  EXPECT_EQ(cut_styled("a\xe6\x97\xa5z", 2), "a");
  EXPECT_EQ(cut_styled("abc", 3), "abc");
  EXPECT_EQ(styled_width("\x1b[1;31ma\xe6\x97\xa5\x1b[0m"), 3);
}

}  // namespace
}  // namespace cli
