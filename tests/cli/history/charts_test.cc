#include "cli/history/charts.h"

#include <gtest/gtest.h>

#include "cli/history/html.h"

namespace cli {
namespace {

StepRecord step_at(int number, double start, double end, std::vector<int> needs) {
  StepRecord step;
  step.step = number;
  step.stage = "s";
  step.text = "RUN <b>";
  step.result = "done";
  step.start = start;
  step.seconds = end - start;
  step.needs = std::move(needs);
  return step;
}

TEST(Html, NothingInATextIsRead) {
  EXPECT_EQ(html_text("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
  EXPECT_EQ(html_text("a\xe2\x80\xae\x1b\n").find_first_of("\x1b\n\xe2"), std::string::npos);
  EXPECT_LE(html_short(std::string(500, '"'), 60).size(), 80u);
  EXPECT_EQ(html_short("short", 60), "short");
}

TEST(Html, NothingInJsonEndsAScript) {
  EXPECT_EQ(script_json(R"({"a":"</script><!--&"})"),
            R"({"a":"\u003c/script\u003e\u003c!--\u0026"})");
}

TEST(CriticalPath, GoesBackFromTheLastEnd) {
  BuildRecord record;
  record.steps = {step_at(0, 1, 2, {}), step_at(1, 1, 5, {}), step_at(2, 5, 6, {0, 1}),
                  step_at(3, 2, 3, {0})};
  EXPECT_EQ(critical_path(record), (std::set<int>{1, 2}));
}

TEST(Charts, OfADamagedRecordEnd) {
  BuildRecord record;
  record.steps = {step_at(0, 1, 2, {0, 1}), step_at(1, 1, 1e9, {0, 7, -3, 1}),
                  step_at(1, 2, -5, {1})};
  EXPECT_FALSE(critical_path(record).empty());
  EXPECT_EQ(timeline_svg(record).find("<b>"), std::string::npos);
  EXPECT_EQ(graph_svg(record).find("<b>"), std::string::npos);
  EXPECT_EQ(timeline_svg({}), "");
  EXPECT_EQ(graph_svg({}), "");
}

}  // namespace
}  // namespace cli
