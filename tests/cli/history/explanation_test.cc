#include "cli/history/explanation.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace cli {
namespace {

StepRecord made(int number, int index, std::vector<int> needs, std::vector<MissRecord> misses) {
  StepRecord step;
  step.step = number;
  step.stage = "s";
  step.index = index;
  step.count = 9;
  step.text = "RUN " + std::to_string(number);
  step.result = misses.empty() ? "cached" : "done";
  step.seconds = misses.empty() ? 0 : 2;
  step.needs = std::move(needs);
  step.misses = std::move(misses);
  return step;
}

const MissRecord kFile{"changed input", "file a.txt", "a.txt\ttype=8 mode=420 digest=aa",
                       "a.txt\ttype=8 mode=493 digest=aa"};
const MissRecord kParent{"changed input", "parent", "1", "2"};

TEST(Explanation, FollowsAChangeToTheStepThatHadIt) {
  BuildRecord record;
  record.steps = {made(0, 1, {}, {}),
                  made(1, 2, {0}, {kFile}),
                  made(2, 3, {1}, {kParent}),
                  made(3, 1, {2}, {}),
                  made(4, 2, {3}, {kParent}),
                  made(5, 3, {4}, {kParent, {"changed input", "env V", "V=1", "V=2"}})};
  const auto all = explain_build(record, {}, "/nonexistent");
  EXPECT_EQ(all[1].affected, (std::vector<int>{2, 4}));  // 5 has a reason of its own
  EXPECT_EQ(all[1].affected_seconds, 4);
  EXPECT_EQ(all[2].causes, std::vector<int>{1});
  EXPECT_EQ(all[4].causes, std::vector<int>{2});  // through the FROM between them
  const std::string text = explanation_text(record, all, {});
  EXPECT_NE(text.find("changed input: file a.txt: mode=0644 -> mode=0755"), std::string::npos)
      << text;
  EXPECT_NE(text.find("also affected: steps 2 4 (4.0s)"), std::string::npos) << text;
  EXPECT_NE(text.find("env V: 1 -> 2"), std::string::npos) << text;
  EXPECT_NE(text.find("2 steps of 6 did not run"), std::string::npos) << text;
}

TEST(Explanation, TellsTheStepBelowFromTheStageThatFilesComeFrom) {
  BuildRecord record;
  record.steps = {made(0, 1, {}, {}), made(1, 2, {0}, {kFile}), made(2, 1, {}, {}),
                  made(3, 2, {1, 2}, {{"changed input", "from", "1", "2"}}),
                  made(4, 3, {1, 3}, {kParent})};
  for (int step : {2, 3, 4}) record.steps[static_cast<size_t>(step)].stage = "t";
  const auto all = explain_build(record, {}, "/nonexistent");
  EXPECT_EQ(all[3].causes, std::vector<int>{1});
  EXPECT_EQ(all[4].causes, std::vector<int>{3});
}

TEST(Explanation, OfOneStepOnly) {
  BuildRecord record;
  record.steps = {made(0, 1, {}, {}), made(1, 2, {0}, {kFile})};
  EXPECT_EQ(explain_build(record, 0, "/nonexistent").size(), 1u);
  EXPECT_THROW(explain_build(record, 2, "/nonexistent"), base::Error);
}

TEST(Explanation, OfADamagedRecordEnds) {
  BuildRecord record;
  record.steps = {made(0, 1, {0}, {kParent}), made(1, 2, {0, 7, -1}, {kParent})};
  EXPECT_EQ(explain_build(record, {}, "/nonexistent").size(), 2u);
}

TEST(Explanation, HasNoControlCharacters) {
  BuildRecord record;
  record.steps = {made(0, 1, {}, {{"re\x1b", "env \xe2\x80\xae", "a\x1b[2J", "b\r"}})};
  record.steps[0].text = "RUN \x1b]0;x\a";
  const std::string text =
      explanation_text(record, explain_build(record, {}, "/nonexistent"), {.shows_cached = true});
  for (unsigned char c : text) EXPECT_TRUE(c == '\n' || (c >= ' ' && c < 0x7f)) << text;
}

}  // namespace
}  // namespace cli
