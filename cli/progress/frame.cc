#include "cli/progress/frame.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "cli/display_width.h"

namespace cli {

using base::str;
namespace event = base::event;

namespace {

constexpr int kWidestRow = 100;  // beyond this the eye loses the row between text and time
constexpr int kNarrow = 60;
constexpr int kTimeColumns = 9;
constexpr size_t kTailRows = 4;
constexpr size_t kTransferRows = 4;

struct Marks {
  std::string_view done, failed, running, idle, down, bar, more;
  int width;
};
constexpr Marks kUnicode{"✓", "✗", "▸", "·", "↓", "│", "…", 1};
constexpr Marks kAscii{"ok", "FAIL", ">", "-", "v", "|", "...", 4};

class Painter {
 public:
  Painter(const BuildState& state, const Terminal& terminal, Time now)
      : state_(state),
        terminal_(terminal),
        now_(now),
        marks_(terminal.unicode ? kUnicode : kAscii),
        width_(std::min(terminal.width - 1, kWidestRow)) {
    for (const auto& [id, step] : state.steps()) {
      stage_width_ = std::max(stage_width_, display_width(step.stage));
      position_width_ = std::max(position_width_, static_cast<int>(position(step).size()));
    }
    stage_width_ = std::min(stage_width_, terminal.width < kNarrow ? 8 : 14);
  }

  std::string header() const;
  std::string step_row(const StepState& step) const;
  std::string waiting_row(const StepState& step) const;
  std::string transfer_row(const TransferState& transfer) const;
  std::string tail_row(std::string_view line) const;
  std::string collapsed_row(size_t steps) const;
  std::string more_row(size_t hidden) const;

 private:
  static std::string position(const StepState& step) {
    return step.count > 0 ? str(step.index, "/", step.count) : std::string();
  }
  std::string paint(std::string_view color, std::string_view text) const {
    return terminal_.color && !color.empty() ? str(color, text, "\x1b[0m") : std::string(text);
  }
  std::string marked(std::string_view mark, std::string_view color) const {
    return str(" ", paint(color, pad_to_width(mark, marks_.width)), " ");
  }
  std::string fit(std::string_view text, int columns) const {
    return cut_to_width(text, columns, marks_.more);
  }
  // `left` and, at the right edge, `right`.
  std::string spread(std::string_view left, std::string_view right, int columns) const {
    int room = columns - display_width(right);
    return room < 2 ? fit(right, columns)
                    : pad_to_width(fit(left, room - 1), room) + std::string(right);
  }
  std::string outcome(const StepState& step) const;
  int mark_columns() const { return marks_.width + 2; }

  const BuildState& state_;
  const Terminal& terminal_;
  Time now_;
  const Marks& marks_;
  int width_;
  int stage_width_ = 0;
  int position_width_ = 0;
};

std::string Painter::header() const {
  const event::BuildStart& start = state_.start();
  std::string left = one_line(start.tag.empty() ? start.recipe : start.tag);
  if (!start.platform.empty()) left += str(" ", one_line(start.platform));
  std::string elapsed = base::format_elapsed(now_ - state_.started());
  std::string right = str(elapsed, "   ", state_.finished(), "/", state_.planned());
  if (terminal_.width < kNarrow) return paint("\x1b[1m", spread(left, right, width_));
  right += str(" steps, ", state_.cached(), " cached");
  size_t warnings = state_.warnings().size();
  if (warnings > 0) right += str(", ", warnings, warnings == 1 ? " warning" : " warnings");
  return paint("\x1b[1m", spread(left, right, width_));
}

std::string Painter::outcome(const StepState& step) const {
  if (step.phase == StepState::Phase::kFinished && step.result == event::StepResult::kCached)
    return "cached";
  if (step.phase == StepState::Phase::kFinished && step.result == event::StepResult::kCancelled)
    return "cancelled";
  return base::format_elapsed(step.elapsed(now_));
}

std::string Painter::step_row(const StepState& step) const {
  bool finished = step.phase == StepState::Phase::kFinished;
  bool cancelled = finished && step.result == event::StepResult::kCancelled;
  std::string mark = !finished       ? marked(marks_.running, "\x1b[1;36m")
                     : step.failed() ? marked(marks_.failed, "\x1b[1;31m")
                     : cancelled     ? marked(marks_.idle, "")
                                     : marked(marks_.done, "\x1b[32m");
  std::string name = step.stage.empty() ? step.label() : fit(step.stage, stage_width_);
  std::string at = position(step);
  std::string left = pad_to_width(name, stage_width_) + " " +
                     std::string(static_cast<size_t>(position_width_) - at.size(), ' ') + at + " " +
                     step.text;
  std::string right = outcome(step);
  int padding = std::max(0, kTimeColumns - static_cast<int>(right.size()));
  return mark + spread(left, std::string(static_cast<size_t>(padding), ' ') + right,
                       width_ - mark_columns());
}

std::string Painter::waiting_row(const StepState& step) const {
  std::string text =
      str("waiting for ", step.waiting_for, " (",
          std::chrono::duration_cast<std::chrono::seconds>(step.elapsed(now_)).count(),
          "s): ", step.text);
  return marked(marks_.idle, "") + fit(text, width_ - mark_columns());
}

std::string Painter::transfer_row(const TransferState& transfer) const {
  std::string text = str(transfer.what, "  ");
  std::string done = base::format_size(transfer.done_bytes);
  std::string total = base::format_size(transfer.total_bytes);
  // "41.2/118.0 MiB" where both have the same unit.
  std::string unit = total.substr(total.find(' '));
  if (transfer.total_bytes > 0 && done.ends_with(unit)) done.resize(done.size() - unit.size());
  text += transfer.total_bytes > 0 ? str(done, "/", total) : done;
  double elapsed = static_cast<double>((now_ - transfer.since).count()) / 1e6;
  if (elapsed >= 0.5)
    text += str("  ",
                base::format_size(
                    static_cast<uint64_t>(static_cast<double>(transfer.done_bytes) / elapsed)),
                "/s");
  return marked(marks_.down, "\x1b[36m") + fit(text, width_ - mark_columns());
}

std::string Painter::tail_row(std::string_view line) const {
  std::string indent(static_cast<size_t>(mark_columns()), ' ');
  int columns = terminal_.width - 1 - mark_columns() - 2;  // output may use the whole terminal
  return indent + paint("\x1b[2m", marks_.bar) + " " + cut_styled(line, std::max(columns, 1));
}

std::string Painter::collapsed_row(size_t steps) const {
  return marked(marks_.done, "\x1b[32m") + str(steps, steps == 1 ? " step" : " steps");
}

std::string Painter::more_row(size_t hidden) const {
  return marked(marks_.running, "") + str(hidden, " more running");
}

// The last `count` lines of a step, the unfinished one included.
std::vector<std::string> last_lines(const StepState& step, size_t count) {
  std::vector<std::string> lines(step.tail.begin(), step.tail.end());
  for (const LineSanitizer* stream : {&step.out, &step.err})
    if (std::string pending = stream->pending(); !pending.empty())
      lines.push_back(std::move(pending));
  if (lines.size() > count)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

// Steps by what they are to the display; running ones by age, finished ones by their end.
struct Groups {
  std::vector<const StepState*> running, waiting, failed, finished;

  explicit Groups(const BuildState& state) {
    for (const auto& [id, step] : state.steps()) {
      if (step.phase == StepState::Phase::kRunning) running.push_back(&step);
      if (step.phase == StepState::Phase::kWaiting) waiting.push_back(&step);
      if (step.phase == StepState::Phase::kFinished)
        (step.failed() ? failed : finished).push_back(&step);
    }
    std::stable_sort(running.begin(), running.end(),
                     [](const StepState* a, const StepState* b) { return a->since < b->since; });
    std::stable_sort(finished.begin(), finished.end(),
                     [](const StepState* a, const StepState* b) { return a->ended < b->ended; });
  }
};

// Takes up to `wanted` rows out of `room`.
size_t take(size_t& room, size_t wanted) {
  size_t taken = std::min(room, wanted);
  room -= taken;
  return taken;
}

// Deals `room` rows of output to steps one at a time, so that they share what there is.
std::vector<size_t> deal_tails(const std::vector<const StepState*>& steps, size_t count,
                               size_t& room) {
  std::vector<size_t> rows(count, 0);
  for (size_t round = 0; round < kTailRows; ++round)
    for (size_t i = 0; i < count; ++i)
      if (room > 0 && last_lines(*steps[i], kTailRows).size() > rows[i]) {
        ++rows[i];
        --room;
      }
  return rows;
}

// The most recent finished steps that fit `room`; one row for the others.
void add_finished(const Painter& painter, const std::vector<const StepState*>& finished,
                  size_t room, std::vector<std::string>& rows) {
  if (room == 0 || finished.empty()) return;
  size_t shown = finished.size() <= room ? finished.size() : room - 1;
  size_t hidden = finished.size() - shown;
  if (hidden > 0) rows.push_back(painter.collapsed_row(hidden));
  for (size_t i = hidden; i < finished.size(); ++i) rows.push_back(painter.step_row(*finished[i]));
}

}  // namespace

std::vector<std::string> render_frame(const BuildState& state, const Terminal& terminal, Time now) {
  Painter painter(state, terminal, now);
  Groups groups(state);
  size_t room = static_cast<size_t>(std::max(terminal.height - 2, 1));
  std::vector<std::string> rows;
  take(room, 1);
  rows.push_back(painter.header());
  const bool crowded = groups.running.size() > room;  // the last row then counts those without one
  size_t running = take(room, groups.running.size());
  if (crowded && running > 0) --running;
  size_t transfers = take(room, std::min(state.transfers().size(), kTransferRows));
  size_t waiting = take(room, groups.waiting.size());
  std::vector<size_t> tails = deal_tails(groups.running, running, room);
  size_t failed = take(room, groups.failed.size());
  add_finished(painter, groups.finished, room, rows);
  for (size_t i = 0; i < failed; ++i) rows.push_back(painter.step_row(*groups.failed[i]));
  for (size_t i = 0; i < running; ++i) {
    rows.push_back(painter.step_row(*groups.running[i]));
    for (const std::string& line : last_lines(*groups.running[i], tails[i]))
      rows.push_back(painter.tail_row(line));
  }
  if (crowded && terminal.height > 3)
    rows.push_back(painter.more_row(groups.running.size() - running));
  for (size_t i = 0; i < transfers; ++i) rows.push_back(painter.transfer_row(state.transfers()[i]));
  for (size_t i = 0; i < waiting; ++i) rows.push_back(painter.waiting_row(*groups.waiting[i]));
  return rows;
}

std::string render_remains(const BuildState& state, const Terminal& terminal, Time now) {
  Painter painter(state, terminal, now);
  std::string out;
  for (const StepState* step : Groups(state).failed) {
    out += painter.step_row(*step) + "\n";
    if (step->lines > step->tail.size())
      out +=
          painter.tail_row(str("... ", step->lines - step->tail.size(), " earlier lines")) + "\n";
    // Lines go uncut into the scroll-back: the end of a long one is often the point of it.
    std::string_view bar = terminal.unicode ? "   │ " : "      | ";
    for (const std::string& line : step->tail) out += str(bar, line, "\n");
  }
  for (const event::Warning& warning : state.warnings()) out += warning_line(warning) + "\n";
  return out;
}

}  // namespace cli
