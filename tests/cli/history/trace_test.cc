#include "cli/history/trace.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cli {
namespace {

StepRecord step_at(int number, double start, double end, std::vector<PhaseRecord> phases = {}) {
  StepRecord step;
  step.step = number;
  step.stage = "0";
  step.text = "RUN make";
  step.result = "done";
  step.start = start;
  step.seconds = end - start;
  step.phases = std::move(phases);
  return step;
}

TEST(Lanes, AreAsManyAsRanAtOnce) {
  LaneSpan a{0, 2}, b{1, 3}, c{2, 4}, d{2.5, 2.6};
  EXPECT_EQ(assign_lanes({&d, &c, &b, &a}), 3u);
  EXPECT_EQ(a.lane, 0u);
  EXPECT_EQ(b.lane, 1u);
  EXPECT_EQ(c.lane, 0u);
  EXPECT_EQ(d.lane, 2u);
}

TEST(Trace, HasSpansThatLieInsideTheirStep) {
  BuildRecord record;
  record.tag = "app";
  record.seconds = 5;
  record.steps = {step_at(0, 0.5, 3, {{"fetch", 0.6}, {"queued", 1}, {"run", 2}, {"commit", 2.5}})};
  record.transfers = {{"debian:12", 0.1, 0.2, 1000}};
  record.activities = {{"plan", 0, 0.4, 0}};
  const auto trace = nlohmann::json::parse(chrome_trace(record));
  std::map<std::string, nlohmann::json> spans;
  for (const auto& event : trace["traceEvents"])
    if (event["ph"] == "X") spans[event["name"]] = event;
  ASSERT_EQ(spans.count("RUN make"), 1u);
  EXPECT_EQ(spans["RUN make"]["ts"], 2000000);
  EXPECT_EQ(spans["RUN make"]["dur"], 1000000);
  EXPECT_EQ(spans["RUN make"]["args"]["cached"], false);
  EXPECT_EQ(spans["RUN make"]["args"]["stage"], "0");
  EXPECT_EQ(spans["look up"]["dur"], 100000);
  EXPECT_EQ(spans["fetch"]["dur"], 400000);
  EXPECT_EQ(spans["queued"]["dur"], 1000000);
  EXPECT_EQ(spans["run"]["dur"], 500000);
  EXPECT_EQ(spans["commit"]["dur"], 500000);
  EXPECT_EQ(spans["debian:12"]["args"]["bytes"], 1000);
  EXPECT_EQ(spans["plan"]["dur"], 400000);
  EXPECT_EQ(spans["app"]["dur"], 5000000);
}

TEST(Trace, IsAsciiWhateverTheTextsAre) {
  BuildRecord record;
  record.steps = {step_at(0, 0.5, 3)};
  record.steps[0].text = "RUN \xff\xe2\x80\xae\x1b[31m";
  for (char c : chrome_trace(record)) EXPECT_TRUE((c >= ' ' && c < 0x7f) || c == '\n');
}

TEST(Trace, NeedsTimes) {
  BuildRecord record;
  record.steps = {step_at(0, 0, 3)};
  EXPECT_THROW(chrome_trace(record), base::Error);
}

}  // namespace
}  // namespace cli
