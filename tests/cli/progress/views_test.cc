#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/sys/fd.h"
#include "base/text.h"
#include "cli/error_view.h"
#include "cli/progress/json_view.h"
#include "cli/progress/plain_view.h"
#include "cli/progress/progress.h"
#include "cli/progress/quiet_view.h"
#include "tests/cli/progress/script.h"
#include "tests/support/golden.h"

namespace cli {
namespace {

namespace event = base::event;
using test::FakeClock;

// Plays a script to a view; the clock ticks once a second meanwhile.
template <typename ViewType>
void play(ViewType& view, FakeClock& clock, const std::vector<test::Beat>& beats) {
  for (const test::Beat& beat : beats) {
    clock.advance(beat.after);
    view.tick();
    view.emit(beat.event);
  }
}

struct Collected {
  std::string text;
  Write write() {
    return [this](std::string_view piece) { text += piece; };
  }
};

std::string plain(const std::vector<test::Beat>& beats, PlainView::Options options = {}) {
  Collected out;
  FakeClock clock;
  {
    PlainView view(out.write(), clock.clock(), std::move(options));
    play(view, clock, beats);
  }
  return out.text;
}

TEST(PlainView, MatchesItsGoldenFiles) {
  support::expect_golden("progress/plain-good.txt", plain(test::parallel_build(false)));
  support::expect_golden("progress/plain-failed.txt", plain(test::parallel_build(true)));
}

TEST(PlainView, KeepsEachStepsLinesTogether) {
  std::vector<test::Beat> beats;
  for (int step = 0; step < 5; ++step)
    beats.push_back(
        {0, test::planned(step, std::string(1, static_cast<char>('a' + step)), 1, 1, "RUN x")});
  for (int step = 0; step < 5; ++step) beats.push_back({0.1, event::StepStart{step}});
  for (int round = 0; round < 50; ++round)
    for (int step = 0; step < 5; ++step) beats.push_back({0.01, test::log(step, "line\n")});
  for (int step : {3, 0, 4, 1, 2}) beats.push_back({0.1, test::done(step)});
  std::string out = plain(beats);
  std::string order;
  size_t lines = 0;
  for (size_t at = 0; at < out.size(); at = out.find('\n', at) + 1, ++lines)
    if (order.empty() || order.back() != out[at + 1]) order += out[at + 1];
  EXPECT_EQ(order.size(), 5u) << order;  // no step appears twice
  EXPECT_EQ(lines, 5u * 52);
}

TEST(PlainView, ExplainsWhyAStepWasNotCached) {
  std::string out = plain(
      {{0, test::planned(0, "a", 1, 1, "RUN a")},
       {0, event::CacheMiss{0, "changed input", "source app.c", "1c9e", std::string(99, 'x')}},
       {0, event::CacheMiss{0, "never built here", "", "", ""}}});
  EXPECT_EQ(out, "[a 1/1] not cached: changed input source app.c: 1c9e -> " + std::string(60, 'x') +
                     "..\n[a 1/1] not cached: never built here\n");
}

TEST(PlainView, BreaksLongSilence) {
  Collected out;
  FakeClock clock;
  PlainView view(out.write(), clock.clock(), {});
  view.emit(test::planned(0, "build", 3, 6, "RUN make"));
  view.emit(test::planned(1, "web", 2, 4, "RUN npm ci"));
  view.emit(event::StepStart{0});
  clock.advance(29);
  view.emit(event::StepStart{1});
  view.tick();
  EXPECT_EQ(out.text, "[build 3/6] RUN make\n");
  clock.advance(1);
  view.tick();
  clock.advance(29);
  view.tick();
  EXPECT_EQ(out.text,
            "[build 3/6] RUN make\n[build 3/6] still running, 30s; also running: web 2/4 (1s)\n");
}

TEST(PlainView, LosesNothingWhenTheBuildNeverEnds) {
  std::string out = plain({{0, test::planned(0, "a", 1, 1, "RUN a")},
                           {0, test::planned(1, "b", 1, 1, "RUN b")},
                           {0, event::StepStart{0}},
                           {0, event::StepStart{1}},
                           {0, test::log(1, "kept\n")},
                           {0, event::Note{"noted"}}});
  EXPECT_EQ(out, "[a 1/1] RUN a\n[b 1/1] RUN b\n[b 1/1] 0.0 kept\nnoted\n");
}

TEST(PlainView, MarksGroupsForCiSystems) {
  std::vector<test::Beat> beats = {{0, test::planned(0, "a", 1, 1, "RUN it's [x]")},
                                   {0, event::StepStart{0}},
                                   {0, test::failed(0, 1)}};
  auto with = [&](CiGroups::Kind kind) {
    return plain(beats,
                 {.groups = CiGroups(kind), .wall = [] { return std::chrono::seconds(1234); }});
  };
  std::string footer = "[a 1/1] FAILED 1 after 0.0s: make: not found\n";
  EXPECT_EQ(with(CiGroups::Kind::kGithub),
            "::group::[a 1/1] RUN it's [x]\n" + footer + "::endgroup::\n");
  EXPECT_EQ(with(CiGroups::Kind::kBuildkite), "--- [a 1/1] RUN it's [x]\n" + footer + "^^^ +++\n");
  EXPECT_EQ(with(CiGroups::Kind::kTeamcity),
            "##teamcity[blockOpened name='|[a 1/1|] RUN it|'s |[x|]']\n" + footer +
                "##teamcity[blockClosed name='|[a 1/1|] RUN it|'s |[x|]']\n");
  EXPECT_EQ(with(CiGroups::Kind::kGitlab),
            "\x1b[0Ksection_start:1234:torte_step_0\r\x1b[0K[a 1/1] RUN it's [x]\n" + footer +
                "\x1b[0Ksection_end:1234:torte_step_0\r\x1b[0K\n");
}

TEST(JsonView, MatchesItsGoldenFiles) {
  for (bool fails : {false, true}) {
    Collected out;
    FakeClock clock;
    JsonView view(out.write(), clock.clock());
    play(view, clock, test::parallel_build(fails));
    support::expect_golden(fails ? "progress/failed.ndjson" : "progress/good.ndjson", out.text);
  }
}

// Not a whole validator: the keywords the schema uses.
bool matches(const nlohmann::json& schema, const nlohmann::json& root,
             const nlohmann::json& value) {
  if (schema.contains("$ref")) return matches(root["$defs"]["where"], root, value);
  if (schema.contains("const") && schema["const"] != value) return false;
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
    return false;
  std::string type = schema.value("type", "");
  if (type == "string" && !value.is_string()) return false;
  if (type == "integer" && !value.is_number_integer()) return false;
  if (type == "number" && !value.is_number()) return false;
  if (type == "boolean" && !value.is_boolean()) return false;
  if (type == "array" &&
      (!value.is_array() || !std::all_of(value.begin(), value.end(), [&](const auto& item) {
        return matches(schema["items"], root, item);
      })))
    return false;
  for (const auto& name : schema.value("required", nlohmann::json::array()))
    if (!value.contains(name.get<std::string>())) return false;
  if (schema.contains("properties"))
    for (const auto& [name, member] : value.items())
      if (!schema["properties"].contains(name) ||
          !matches(schema["properties"][name], root, member))
        return false;
  return true;
}

// Stricter than the schema's promise to readers: a field that it does not know fails, so that none
// is added without being documented.
TEST(JsonView, EveryLineMatchesTheSchema) {
  std::ifstream file(TORTE_DOCS "/progress-v1.schema.json");
  nlohmann::json schema = nlohmann::json::parse(file);
  Collected out;
  FakeClock clock;
  JsonView view(out.write(), clock.clock());
  for (bool fails : {false, true}) play(view, clock, test::parallel_build(fails));
  Problem problem{.severity = Problem::Severity::kWarning,
                  .id = "x",
                  .message = "m",
                  .place = base::Place{{"f", 1, 1, 1, 1}, nullptr, "label", "detail"},
                  .facts = {"f"}};
  out.text += problem_json(problem);
  problem.severity = Problem::Severity::kError;
  out.text += problem_json(problem);
  out.text.pop_back();
  for (const std::string& line : base::split(out.text, '\n')) {
    nlohmann::json value = nlohmann::json::parse(line);
    long kinds = std::count_if(schema["oneOf"].begin(), schema["oneOf"].end(),
                               [&](const auto& kind) { return matches(kind, schema, value); });
    EXPECT_EQ(kinds, 1) << line;
  }
}

TEST(JsonView, JoinsCharactersSplitBetweenPieces) {
  Collected out;
  FakeClock clock;
  JsonView view(out.write(), clock.clock());
  view.emit(test::log(0, "a\xe6\x97"));
  view.emit(test::log(0, "\xa5\xff"));
  view.emit(test::log(0, "\xe6"));
  view.emit(test::done(0));
  EXPECT_NE(out.text.find("\"text\":\"a\""), std::string::npos);
  EXPECT_NE(out.text.find("\"text\":\"\\u65e5\\ufffd\""), std::string::npos);
  EXPECT_NE(out.text.find("\"text\":\"\\ufffd\""), std::string::npos);
}

TEST(QuietView, SpeaksOnlyOfFailure) {
  for (bool fails : {false, true}) {
    Collected out;
    FakeClock clock;
    QuietView view(out.write(), clock.clock(), {});
    play(view, clock, test::parallel_build(fails));
    if (fails)
      support::expect_golden("progress/quiet-failed.txt", out.text);
    else
      EXPECT_EQ(out.text, "");
  }
}

TEST(Progress, NeverRedrawsWithoutATerminal) {
  sys::Pipe pipe = sys::make_pipe();
  {
    auto sink = make_progress(ProgressMode::kTty, pipe.write_end.get(), {});
    for (const test::Beat& beat : test::parallel_build(false)) sink->emit(beat.event);
  }
  pipe.write_end.reset();
  char buffer[8192];
  ssize_t n = read(pipe.read_end.get(), buffer, sizeof buffer);
  ASSERT_GT(n, 0);
  std::string_view out(buffer, static_cast<size_t>(n));
  EXPECT_EQ(out.find('\x1b'), std::string_view::npos) << out;
  EXPECT_TRUE(out.starts_with("building app:dev for linux/amd64\n"));
}

// The real thing: a pseudo terminal, the ticking thread, the wall clock.
TEST(Progress, LeavesTheLastLineOnATerminal) {
  int leader = -1;
  int follower = -1;
  ASSERT_EQ(openpty(&leader, &follower, nullptr, nullptr, nullptr), 0);
  sys::UniqueFd leader_fd(leader);
  sys::UniqueFd follower_fd(follower);
  auto environment = [](const char* name) -> const char* {
    return std::string_view(name) == "TERM" ? "xterm" : nullptr;
  };
  ProgressOptions options{.terminal = probe_terminal(follower, ColorMode::kAuto, environment),
                          .getenv = environment};
  {
    auto sink = make_progress(ProgressMode::kAuto, follower, options);
    for (const test::Beat& beat : test::parallel_build(true)) sink->emit(beat.event);
  }
  follower_fd.reset();  // then reading ends with an error
  std::string out;
  char buffer[8192];
  // The kernel hands out what a terminal got in pieces.
  for (ssize_t n; (n = read(leader, buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<size_t>(n));
  EXPECT_NE(out.find("| no clear"), std::string_view::npos) << out;
  EXPECT_NE(out.find("app:dev  FAILED"), std::string_view::npos) << out;
}

}  // namespace
}  // namespace cli
