#include "cli/error_view.h"

#include <gtest/gtest.h>

#include "tests/support/golden.h"

namespace cli {
namespace {

std::shared_ptr<const std::string> text(std::string content) {
  return std::make_shared<const std::string>(std::move(content));
}

Problem missing_source() {
  std::string recipe(13, '\n');
  recipe += "COPY dist/app.js package.json /srv/\n";
  return {.id = "copy-source-missing",
          .message = "COPY source \"dist/app.js\" not found",
          .place = base::Place{{"web/Dockerfile", 14, 14, 6, 11},
                               text(recipe),
                               "not among the 1,204 files of context ./web",
                               "stage \"web\", step 5 of 7"},
          .facts = {"it exists on disk but is ignored by web/.dockerignore:3: dist"},
          .helps = {"add \"!dist/app.js\" below that line"}};
}

std::string at(const std::string& line, int column, int width, int columns,
               std::string label = "here") {
  Problem problem{
      .id = "x",
      .message = "m",
      .place = base::Place{{"f", 1, 1, column, width}, text(line), std::move(label), ""}};
  return render_problem(problem, {.width = columns});
}

TEST(ErrorView, ShowsMessagePlaceFactsAndHelps) {
  support::expect_golden("cli/error-copy.txt", render_problem(missing_source(), {.width = 80}));
  support::expect_golden("cli/error-color.txt",
                         render_problem(missing_source(), {.width = 80, .color = true}));
}

TEST(ErrorView, ShowsSeveralLinesAndContinuedFacts) {
  Problem problem{.id = "run-failed",
                  .message = "RUN failed with status 127 after 0.2s",
                  .place = base::Place{{"Dockerfile", 2, 3, 1, 3},
                                       text("FROM a\nRUN apk update && \\\n\tmke -j8 all\n"),
                                       "",
                                       "stage \"build\", step 4 of 7"},
                  .facts = {"last 2 lines of 112:\n| OK: 24 packages\n| /bin/sh: mke: not found"},
                  .helps = {"one", "two", "three", "a fourth help is too many"}};
  support::expect_golden("cli/error-run.txt", render_problem(problem, {.width = 80}));
}

TEST(ErrorView, ReportsSeveralProblemsInOneGo) {
  Problem warning{.severity = Problem::Severity::kWarning,
                  .id = "StageNameCasing",
                  .message = "stage name \"Web\" has capitals"};
  support::expect_golden("cli/error-several.txt",
                         render_problems({missing_source(), warning}, {.width = 80}));
}

TEST(ErrorView, KeepsTheMarkedWordInSightOfALongLine) {
  std::string line = "RUN " + std::string(300, 'a') + " needle " + std::string(300, 'b');
  std::string shown = at(line, 306, 6, 60);
  support::expect_golden("cli/error-long-line.txt", shown);
  for (size_t start = 0; start < shown.size();) {
    size_t end = shown.find('\n', start);
    EXPECT_LE(end - start, 66u);  // the label may follow the caret
    start = end + 1;
  }
}

TEST(ErrorView, PutsTheCaretUnderTheWordAfterTabsAndWideCharacters) {
  EXPECT_EQ(at("\tCOPY x", 2, 4, 80),
            "error: m  [x]\n  --> f:1:2\n   |\n 1 |         COPY x\n   |         ^^^^ here\n");
  EXPECT_EQ(at("日本 x", 8, 1, 80),
            "error: m  [x]\n  --> f:1:8\n   |\n 1 | 日本 x\n   |      ^ here\n");
  EXPECT_EQ(at("ab", 1, 0, 80), "error: m  [x]\n  --> f:1:1\n   |\n 1 | ab\n   | ^^ here\n");
}

TEST(ErrorView, SurvivesPlacesOutsideTheText) {
  EXPECT_EQ(at("ab", 9, 3, 80), "error: m  [x]\n  --> f:1:9\n   |\n 1 | ab\n   |   ^ here\n");
  EXPECT_EQ(at("", 1, 0, 80), "error: m  [x]\n  --> f:1:1\n   |\n 1 |\n   | ^ here\n");
  Problem beyond{
      .id = "x", .message = "m", .place = base::Place{{"f", 7, 7, 1, 1}, text("a\n"), "", ""}};
  EXPECT_EQ(render_problem(beyond, {}), "error: m  [x]\n  --> f:7:1\n");
}

TEST(ErrorView, EscapesWhatATerminalWouldObey) {
  Problem problem{.id = "x",
                  .message = "bad \x1b[2J name",
                  .facts = {"a\x9b"
                            "b"}};
  EXPECT_EQ(render_problem(problem, {}), "error: bad \\x1b[2J name  [x]\n   = a\\x9bb\n");
  EXPECT_EQ(at("a\x1b]b", 3, 1, 80),
            "error: m  [x]\n  --> f:1:3\n   |\n 1 | a\\x1b]b\n   |      ^ here\n");
}

TEST(ErrorView, JsonIsOneEscapedLine) {
  std::string json = problem_json(missing_source());
  EXPECT_EQ(json.find('\n'), json.size() - 1);
  support::expect_golden("cli/error.json", json);
}

TEST(ErrorView, TakesPlaceAndContextFromAnError) {
  base::Error error(base::Code::kInvalid, "no such stage", "unknown-stage");
  error.set_place({{"Recipe", 3, 3, 1, 0}, nullptr, "", ""}).add_context("FROM");
  EXPECT_EQ(render_problem(to_problem(error), {}),
            "error: FROM: no such stage  [unknown-stage]\n  --> Recipe:3:1\n");
}

}  // namespace
}  // namespace cli
