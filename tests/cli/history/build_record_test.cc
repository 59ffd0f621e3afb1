#include "cli/history/build_record.h"

#include <gtest/gtest.h>

namespace cli {
namespace {

TEST(BuildRecord, ReadsBackWhatItWrote) {
  BuildRecord record;
  record.id = "00000000001-abcdef01";
  record.error = "RUN failed";
  record.error_facts = {"a fact"};
  record.images = {{"debian:12 linux/amd64", "sha256:1"}};
  record.secrets = {"token"};
  record.layers = {{"sha256:2", 7, "RUN make", true}};
  record.context_use = {1000, 10, {{"big", 990}}};
  record.transfers = {{"debian:12", 0.5, 1.25, 1000}};
  record.warning_texts = {{"StageNameCasing", "text", 3}};
  StepRecord step;
  step.step = 4;
  step.text = "RUN make \xff";
  step.result = "failed";
  step.start = 0.25;
  step.seconds = 1.5;
  step.exit_status = 2;
  step.needs = {1, 3};
  step.phases = {{"queued", 0.5}, {"run", 0.75}};
  step.misses = {{"changed input", "env V", "V=1", "V=2"}, {"forced by --no-cache", "", "", ""}};
  record.steps = {step};

  const std::string text = record_text(record);
  EXPECT_EQ(record_text(parse_record(text)), text);
  const BuildRecord read = parse_record(text);
  ASSERT_EQ(read.steps.size(), 1u);
  EXPECT_EQ(read.steps[0].needs, step.needs);
  EXPECT_EQ(read.steps[0].phases[1].start, 0.75);
  EXPECT_EQ(read.steps[0].misses[0].new_value, "V=2");
  EXPECT_EQ(read.layers[0].made_by, "RUN make");
  EXPECT_EQ(read.context_use.unused[0].bytes, 990u);
  EXPECT_EQ(read.transfers[0].bytes, 1000u);
  EXPECT_EQ(read.find_step(4)->end(), 1.75);
  EXPECT_EQ(read.find_step(5), nullptr);
}

// As version 0.1 wrote them: no times of steps, no reasons.
TEST(BuildRecord, ReadsRecordsOfOlderVersions) {
  const BuildRecord record =
      parse_record(R"({"id": "x", "recipe": "Recipe", "seconds": 1.5, "succeeded": true,
    "steps": [{"step": 0, "stage": "0", "index": 1, "count": 2, "text": "FROM a", "line": 1,
               "result": "cached", "seconds": 0.1}]})");
  EXPECT_EQ(record.recipe, "Recipe");
  EXPECT_TRUE(record.succeeded);
  ASSERT_EQ(record.steps.size(), 1u);
  EXPECT_EQ(record.steps[0].result, "cached");
  EXPECT_TRUE(record.steps[0].misses.empty());
}

TEST(BuildRecord, TakesDefaultsForWhatIsDamaged) {
  for (const char* text : {"", "[]", "{", "null", R"({"steps": 7, "seconds": "x", "id": []})",
                           R"({"steps": [1, {"needs": ["a"], "misses": {}, "line": -1}]})"})
    EXPECT_NO_THROW({ EXPECT_EQ(parse_record(text).id, ""); }) << text;
}

}  // namespace
}  // namespace cli
