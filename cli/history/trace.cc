#include "cli/history/trace.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace cli {

namespace {

using Json = nlohmann::ordered_json;

// Processes of the trace: groups of lanes.
enum Group { kBuild = 1, kSteps = 2, kWaiting = 3, kTransfers = 4 };

bool is_waiting(const std::string& phase) { return phase != "run" && phase != "commit"; }

class Trace {
 public:
  explicit Trace(const BuildRecord& record) : record_(record) {}

  std::string text() {
    name_group(kBuild, "build");
    name_lane(kBuild, 0, "whole");
    add(kBuild, 0, record_.tag.empty() ? record_.recipe : record_.tag, "build", 0, record_.seconds,
        {{"succeeded", record_.succeeded}});
    add_spans(kBuild, 1, "rest", "activity", record_.activities);
    add_steps();
    name_group(kTransfers, "transfers");
    add_spans(kTransfers, 0, "transfer", "transfer", record_.transfers);
    Json json = {{"traceEvents", std::move(events_)},
                 {"displayTimeUnit", "ms"},
                 {"otherData",
                  {{"build", record_.id},
                   {"recipe", record_.recipe},
                   {"platform", record_.platform},
                   {"started", record_.started},
                   {"torte", TORTE_VERSION}}}};
    return json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
  }

 private:
  struct Lane : LaneSpan {
    const StepRecord* step = nullptr;
    const SpanRecord* span = nullptr;
  };

  void name(const char* what, Group group, size_t lane, const std::string& name) {
    events_.push_back({{"ph", "M"},
                       {"name", what},
                       {"pid", static_cast<int>(group)},
                       {"tid", lane},
                       {"args", {{"name", name}}}});
  }
  void name_group(Group group, const std::string& text) { name("process_name", group, 0, text); }
  void name_lane(Group group, size_t lane, const std::string& text) {
    name("thread_name", group, lane, text);
  }

  void add(Group group, size_t lane, const std::string& name, const char* category, double start,
           double end, Json args) {
    const auto microseconds = [](double seconds) { return std::llround(seconds * 1e6); };
    events_.push_back({{"ph", "X"},
                       {"name", name},
                       {"cat", category},
                       {"ts", microseconds(start)},
                       {"dur", std::max(0LL, microseconds(end) - microseconds(start))},
                       {"pid", static_cast<int>(group)},
                       {"tid", lane},
                       {"args", std::move(args)}});
  }

  static size_t lanes_of(std::vector<Lane>& spans) {
    std::vector<LaneSpan*> all;
    for (Lane& span : spans) all.push_back(&span);
    return assign_lanes(std::move(all));
  }

  void add_spans(Group group, size_t first, const std::string& lane_name, const char* category,
                 const std::vector<SpanRecord>& records) {
    std::vector<Lane> spans;
    for (const SpanRecord& record : records) {
      Lane& span = spans.emplace_back();
      span.start = record.start;
      span.end = record.start + record.seconds;
      span.span = &record;
    }
    const size_t lanes = lanes_of(spans);
    for (size_t i = 0; i < lanes; ++i)
      name_lane(group, first + i, base::str(lane_name, " ", i + 1));
    for (const Lane& span : spans) {
      Json args = Json::object();
      if (span.span->bytes > 0) args["bytes"] = span.span->bytes;
      add(group, first + span.lane, span.span->what, category, span.start, span.end,
          std::move(args));
    }
  }

  static Json arguments_of(const StepRecord& step) {
    Json args = {{"step", step.step}, {"stage", step.stage},   {"index", step.index},
                 {"text", step.text}, {"result", step.result}, {"cached", step.result == "cached"}};
    if (step.exit_status != 0) args["exitStatus"] = step.exit_status;
    if (!step.needs.empty()) args["needs"] = step.needs;
    if (!step.misses.empty()) args["miss"] = step.misses[0].reason;
    return args;
  }

  void add_steps() {
    std::vector<Lane> working;
    std::vector<Lane> waiting;
    for (const StepRecord& step : record_.steps) {
      if (step.result == "not run") continue;
      Lane& span = working.emplace_back();
      span.start = work_start(step);
      span.end = step.end();
      span.step = &step;
      if (span.start <= step.start) continue;
      Lane& before = waiting.emplace_back();
      before.start = step.start;
      before.end = span.start;
      before.step = &step;
    }
    name_group(kSteps, "steps");
    for (size_t i = 0, lanes = lanes_of(working); i < lanes; ++i)
      name_lane(kSteps, i, base::str("slot ", i + 1));
    for (const Lane& span : working) add_work(span);
    if (waiting.empty()) return;
    name_group(kWaiting, "steps before they run");
    for (size_t i = 0, lanes = lanes_of(waiting); i < lanes; ++i)
      name_lane(kWaiting, i, base::str("waiting ", i + 1));
    for (const Lane& span : waiting) add_waiting(span);
  }

  void add_work(const Lane& span) {
    const StepRecord& step = *span.step;
    add(kSteps, span.lane, step.text, "step", span.start, span.end, arguments_of(step));
    for (size_t i = 0; i < step.phases.size(); ++i)
      if (!is_waiting(step.phases[i].name))
        add(kSteps, span.lane, step.phases[i].name, "phase", step.phases[i].start,
            end_of_phase(step, i), {{"step", step.step}});
  }

  void add_waiting(const Lane& span) {
    const StepRecord& step = *span.step;
    const double first = std::min(step.phases[0].start, span.end);
    add(kWaiting, span.lane, "look up", "phase", step.start, first, arguments_of(step));
    for (size_t i = 0; i < step.phases.size() && step.phases[i].start < span.end; ++i)
      add(kWaiting, span.lane, step.phases[i].name, "phase", step.phases[i].start,
          std::min(end_of_phase(step, i), span.end), arguments_of(step));
  }

  static double end_of_phase(const StepRecord& step, size_t index) {
    return index + 1 < step.phases.size() ? step.phases[index + 1].start : step.end();
  }

  const BuildRecord& record_;
  Json events_ = Json::array();
};

}  // namespace

size_t assign_lanes(std::vector<LaneSpan*> spans) {
  std::stable_sort(spans.begin(), spans.end(),
                   [](const LaneSpan* a, const LaneSpan* b) { return a->start < b->start; });
  std::vector<double> free_at;
  for (LaneSpan* span : spans) {
    auto free = std::find_if(free_at.begin(), free_at.end(),
                             [&](double end) { return end <= span->start; });
    span->lane = static_cast<size_t>(free - free_at.begin());
    if (free == free_at.end())
      free_at.push_back(span->end);
    else
      *free = span->end;
  }
  return free_at.size();
}

double work_start(const StepRecord& step) {
  for (const PhaseRecord& phase : step.phases)
    if (!is_waiting(phase.name)) return phase.start;
  return step.start;
}

std::string chrome_trace(const BuildRecord& record) {
  const bool has_times = std::any_of(record.steps.begin(), record.steps.end(),
                                     [](const StepRecord& step) { return step.start > 0; });
  if (!has_times && !record.steps.empty() && record.activities.empty())
    throw base::Error(
        base::Code::kNotFound,
        base::str("the record of build ", short_build_id(record.id), " has no times of its steps"),
        "build-times-missing")
        .add_help("it was made by an earlier version of torte");
  return Trace(record).text();
}

}  // namespace cli
