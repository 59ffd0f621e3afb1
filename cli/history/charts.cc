#include "cli/history/charts.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/text.h"
#include "cli/history/html.h"
#include "cli/history/trace.h"

namespace cli {

namespace {

// --- timeline

constexpr int kWidth = 1120;
constexpr int kLeft = 80;
constexpr int kAxis = 22;
constexpr int kRow = 20;
constexpr int kBar = 16;
constexpr size_t kMostSpans = 200;
constexpr size_t kMostLanes = 64;  // of one kind: what more there is says no more

// One digit after the point, as far as that says something.
std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string out = text;
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

// The letter of report.css for what a step does.
const char* kind_of(const StepRecord& step) {
  if (step.result == "failed") return "f";
  if (step.result == "cached") return "h";
  return step.text.starts_with("RUN") ? "r" : "c";
}

class Timeline {
 public:
  explicit Timeline(const BuildRecord& record) : record_(record), critical_(critical_path(record)) {
    end_ = record.seconds;
    for (const StepRecord& step : record.steps) end_ = std::max(end_, step.end());
    for (const SpanRecord& span : record.transfers)
      end_ = std::max(end_, span.start + span.seconds);
    end_ = std::max(end_, 1e-3);
  }

  std::string text() {
    add_steps();
    add_spans("transfers", "m", record_.transfers);
    add_spans("other", "k", record_.activities);
    const int height = y_ + 4;
    return base::str(
        "<svg data-testid=\"timeline-chart\" role=\"img\" aria-label=\"Steps over time\" "
        "width=\"",
        kWidth, "\" height=\"", height, "\">", axis(height), out_, "</svg>");
  }

 private:
  struct Bar : LaneSpan {
    const StepRecord* step = nullptr;
    const SpanRecord* span = nullptr;
  };

  double x(double seconds) const { return kLeft + seconds / end_ * (kWidth - kLeft - 10); }

  std::string axis(int height) const {
    double unit = std::pow(10, std::floor(std::log10(end_ / 4)));
    while (end_ / unit > 10) unit *= end_ / unit > 20 ? 5 : 2;
    std::string out;
    for (int i = 0; i * unit <= end_; ++i) {
      const std::string at = number(x(i * unit));
      char label[32];
      std::snprintf(label, sizeof label, "%g", i * unit);
      out += base::str("<path class=\"grid\" d=\"M", at, " 16V", height, "\"/><text x=\"", at,
                       "\" y=\"12\">", label, "s</text>");
    }
    return out;
  }

  // A bar as a piece of a path: a page may have thousands of them.
  std::string bar(double start, double end, size_t lane) const {
    const std::string width = number(std::max(1.0, x(end) - x(start)));
    return base::str("M", number(x(start)), " ", y_ + static_cast<int>(lane) * kRow, "h", width,
                     "v", kBar, "h-", width, "z");
  }

  size_t place(std::vector<Bar>& bars, const char* heading) {
    std::vector<LaneSpan*> spans;
    for (Bar& bar : bars) spans.push_back(&bar);
    const size_t lanes = std::min(assign_lanes(std::move(spans)), kMostLanes);
    std::erase_if(bars, [](const Bar& bar) { return bar.lane >= kMostLanes; });
    if (lanes > 0) out_ += base::str("<text x=\"0\" y=\"", y_ + 12, "\">", heading, "</text>");
    return lanes;
  }

  void add_steps() {
    std::vector<Bar> bars;
    for (const StepRecord& step : record_.steps) {
      if (step.start <= 0) continue;
      Bar& bar = bars.emplace_back();
      bar.start = step.start;
      bar.end = step.end();
      bar.step = &step;
    }
    const size_t lanes = place(bars, "steps");
    for (const Bar& bar : bars) add_step(*bar.step, bar.lane);
    out_ += path("w", waiting_) + path("k", commits_) + path("p", marks_);
    y_ += static_cast<int>(lanes) * kRow + 6;
  }

  void add_step(const StepRecord& step, size_t lane) {
    const double begin = work_start(step);
    double commit = step.end();
    for (const PhaseRecord& phase : step.phases)
      if (phase.name == "commit") commit = phase.start;
    const std::string work = bar(begin, commit, lane);
    out_ += base::str("<a href=\"#step=", step.step, "\"><path class=\"", kind_of(step), "\" d=\"",
                      work, "\"/></a>");
    if (begin > step.start) waiting_ += bar(step.start, begin, lane);
    if (commit < step.end()) commits_ += bar(commit, step.end(), lane);
    if (critical_.contains(step.step)) marks_ += work;
  }

  static std::string path(const char* kind, const std::string& data) {
    return data.empty() ? "" : base::str("<path class=\"", kind, "\" d=\"", data, "\"/>");
  }

  void add_spans(const char* heading, const char* kind, const std::vector<SpanRecord>& spans) {
    std::vector<Bar> bars;
    for (const SpanRecord& span : spans) {
      Bar& bar = bars.emplace_back();
      bar.start = span.start;
      bar.end = span.start + span.seconds;
      bar.span = &span;
    }
    const size_t lanes = place(bars, heading);
    for (size_t i = 0; i < bars.size() && i < kMostSpans; ++i)
      out_ += base::str("<path class=\"", kind, "\" d=\"",
                        bar(bars[i].start, bars[i].end, bars[i].lane), "\"><title>",
                        html_text(bars[i].span->what, 60), ", ", number(bars[i].span->seconds),
                        "s</title></path>");
    y_ += static_cast<int>(lanes) * kRow + (lanes > 0 ? 6 : 0);
  }

  const BuildRecord& record_;
  std::set<int> critical_;
  double end_ = 0;
  int y_ = kAxis;
  std::string out_;
  std::string waiting_, commits_, marks_;  // path data
};

// --- graph

constexpr int kNodeWidth = 164;
constexpr int kNodeHeight = 22;
constexpr int kColumn = 190;
constexpr int kLine = 36;

class Graph {
 public:
  explicit Graph(const BuildRecord& record) : record_(record) { place(); }

  std::string text() const {
    std::string edges, texts;
    std::map<std::string, std::string> boxes;  // by the letter of report.css
    for (const StepRecord& step : record_.steps) {
      for (int need : step.needs)
        if (places_.contains(need) && need < step.step) edges += edge(places_.at(need), step);
      const Place& place = places_.at(step.step);
      boxes[kind_of_node(step)] += base::str("M", place.x(), " ", place.y(), "h", kNodeWidth, "v",
                                             kNodeHeight, "h-", kNodeWidth, "z");
      texts += base::str("<a href=\"#step=", step.step, "\"><text x=\"", place.x() + 5, "\" y=\"",
                         place.y() + 15, "\">", step.step, " ", html_short(step.text, 18),
                         "</text></a>");
    }
    std::string out = base::str(
        "<svg data-testid=\"graph-chart\" role=\"img\" aria-label=\"Steps and what they need\" "
        "width=\"",
        columns_.size() * kColumn, "\" height=\"", (rows_ + 1) * kLine + 24, "\">", headings(),
        "<path class=\"edge\" d=\"", edges, "\"/>");
    for (const auto& [kind, data] : boxes)
      out += base::str("<path class=\"node ", kind, "\" d=\"", data, "\"/>");
    return out + texts + "</svg>";
  }

 private:
  struct Place {
    int column = 0;
    int row = 0;
    int x() const { return column * kColumn + 4; }
    int y() const { return row * kLine + 24; }
  };

  // What a step needs has a smaller number; that alone keeps a damaged record from going in
  // circles.
  void place() {
    for (const StepRecord& step : record_.steps) {
      auto [column, is_new] = columns_.try_emplace(step.stage, static_cast<int>(columns_.size()));
      Place& place = places_[step.step];
      place.column = column->second;
      for (int need : step.needs)
        if (auto other = places_.find(need); other != places_.end() && need < step.step)
          place.row = std::max(place.row, other->second.row + 1);
      rows_ = std::max(rows_, place.row);
    }
  }

  std::string headings() const {
    std::string out;
    for (const auto& [stage, column] : columns_)
      out += base::str("<text x=\"", column * kColumn + 4, "\" y=\"14\">", html_text(stage, 24),
                       "</text>");
    return out;
  }

  std::string edge(const Place& from, const StepRecord& step) const {
    const Place& to = places_.at(step.step);
    const int x = from.x() + kNodeWidth / 2, y = from.y() + kNodeHeight;
    if (from.column == to.column && to.row == from.row + 1)
      return base::str("M", x, " ", y, "V", to.y());
    const int end = to.x() + kNodeWidth / 2;
    return base::str("M", x, " ", y, "C", x, " ", y + kLine / 2, " ", end, " ", to.y() - kLine / 2,
                     " ", end, " ", to.y());
  }

  static const char* kind_of_node(const StepRecord& step) {
    if (step.result == "cached") return "h";
    if (step.result == "failed") return "f";
    return step.result == "done" ? "r" : "x";
  }

  const BuildRecord& record_;
  std::map<std::string, int> columns_;
  std::map<int, Place> places_;
  int rows_ = 0;
};

}  // namespace

std::set<int> critical_path(const BuildRecord& record) {
  std::set<int> path;
  const StepRecord* last = nullptr;
  for (const StepRecord& step : record.steps)
    if (step.start > 0 && (last == nullptr || step.end() > last->end())) last = &step;
  while (last != nullptr && path.insert(last->step).second) {
    const StepRecord* before = nullptr;
    for (int need : last->needs)
      if (const StepRecord* step = record.find_step(need);
          step != nullptr && (before == nullptr || step->end() > before->end()))
        before = step;
    last = before;
  }
  return path;
}

std::string timeline_svg(const BuildRecord& record) {
  const bool has_times = std::any_of(record.steps.begin(), record.steps.end(),
                                     [](const StepRecord& step) { return step.start > 0; });
  return has_times ? Timeline(record).text() : "";
}

std::string graph_svg(const BuildRecord& record) {
  return record.steps.empty() ? "" : Graph(record).text();
}

}  // namespace cli
