#include "cli/text_diff.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <vector>

namespace {

std::string diff(const std::string& before, const std::string& after) {
  return cli::unified_diff(before, after, "a", "b");
}

TEST(TextDiff, IsEmptyWhereNothingDiffers) {
  EXPECT_EQ(diff("x\ny\n", "x\ny\n"), "");
  EXPECT_EQ(diff("", ""), "");
}

TEST(TextDiff, ShowsThreeLinesAround) {
  EXPECT_EQ(diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(TextDiff, CountsLinesAsPatchDoes) {
  EXPECT_EQ(diff("", "new\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+new\n");
  EXPECT_EQ(diff("old\nx\n", ""), "--- a\n+++ b\n@@ -1,2 +0,0 @@\n-old\n-x\n");
  EXPECT_EQ(diff("1\n", "1\n2\n"), "--- a\n+++ b\n@@ -1 +1,2 @@\n 1\n+2\n");
}

TEST(TextDiff, FarChangesStandInHunksOfTheirOwn) {
  std::string before, after;
  for (int i = 1; i <= 20; ++i) {
    before += std::to_string(i) + "\n";
    after += (i == 2 || i == 18 ? "x" : std::to_string(i)) + "\n";
  }
  EXPECT_EQ(diff(before, after),
            "--- a\n+++ b\n@@ -1,5 +1,5 @@\n 1\n-2\n+x\n 3\n 4\n 5\n@@ -15,6 +15,6 @@\n 15\n 16\n "
            "17\n-18\n+x\n 19\n 20\n");
}

TEST(TextDiff, AMissingLineEndIsSaidToBeMissing) {
  EXPECT_EQ(diff("x", "x\n"), "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n");
}

/// What patch(1) would make of it; every old line that is named must be there.
std::string patched(const std::string& before, const std::string& patch) {
  std::vector<std::string> lines;
  std::istringstream old_text(before);
  for (std::string line; std::getline(old_text, line);) lines.push_back(line);
  std::string out;
  size_t next = 0;
  std::istringstream text(patch);
  std::string line;
  std::getline(text, line);
  std::getline(text, line);
  while (std::getline(text, line)) {
    if (line[0] == '@') {
      size_t first = 0, count = 1;
      sscanf(line.c_str(), "@@ -%zu,%zu", &first, &count);
      for (size_t start = count == 0 ? first : first - 1; next < start;)
        out += lines.at(next++) + "\n";
      continue;
    }
    if (line[0] != '+') {
      EXPECT_EQ(lines.at(next++), line.substr(1));
    }
    if (line[0] != '-') out += line.substr(1) + "\n";
  }
  while (next < lines.size()) out += lines[next++] + "\n";
  return out;
}

TEST(TextDiff, TurnsAnyTextIntoAnyOther) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string before, after;
    for (unsigned i = random() % 40; i > 0; --i)
      before += std::string(1, static_cast<char>('a' + random() % 4)) + "\n";
    for (unsigned i = random() % 40; i > 0; --i)
      after += std::string(1, static_cast<char>('a' + random() % 4)) + "\n";
    if (before == after) continue;
    ASSERT_EQ(patched(before, diff(before, after)), after) << before << "---\n" << after;
  }
}

TEST(TextDiff, GivesUpOnTextsWithNothingInCommon) {
  std::string before, after;
  for (int i = 0; i < 5000; ++i) {
    before += "a" + std::to_string(i) + "\n";
    after += "b" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(patched(before, diff(before, after)), after);
}

}  // namespace
