#include "cli/progress/quiet_view.h"

#include "base/text.h"

namespace cli {

using base::str;

namespace {

constexpr size_t kKeptLines = 1000;

}  // namespace

QuietView::QuietView(Write write, Clock clock, LineSanitizer::Options options)
    : View(std::move(write), std::move(clock)), state_(options, kKeptLines) {}

void QuietView::handle(const base::Event& event, Time now) {
  state_.apply(event, now);
  const auto* ended = std::get_if<base::event::StepEnd>(&event);
  if (ended == nullptr || ended->result != base::event::StepResult::kFailed) return;
  const StepState& step = state_.step(ended->step);
  std::string out = str("[", step.label(), "] ", step.text, "\n");
  if (step.lines > step.tail.size())
    out += str("  ... ", step.lines - step.tail.size(), " earlier lines are in the full log\n");
  for (const std::string& line : step.tail) out += str("  | ", line, "\n");
  write(out);
}

}  // namespace cli
