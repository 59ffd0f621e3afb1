#include "cli/progress/plain_view.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/text.h"

namespace cli {

using base::str;
namespace event = base::event;

namespace {

constexpr Time kSilence = std::chrono::seconds(30);
constexpr size_t kKeptBytes = 32 * 1024 * 1024;  // of one waiting step; the log file has it all

std::string whole_seconds(Time time) {
  return str(std::chrono::duration_cast<std::chrono::seconds>(time).count(), "s");
}

std::string bracketed(const StepState& step) { return str("[", step.label(), "] "); }

std::string outcome(const StepState& step) {
  std::string time = base::format_elapsed(step.ended - step.since);
  switch (step.result) {
    case event::StepResult::kDone:
      return "done " + time;
    case event::StepResult::kCached:
      return "cached";
    case event::StepResult::kCancelled:
      return "cancelled after " + time;
    case event::StepResult::kFailed:
      break;
  }
  std::string out = step.exit_status != 0 ? str("FAILED ", step.exit_status, " after ", time)
                                          : str("FAILED after ", time);
  return step.error.empty() ? out : str(out, ": ", step.error);
}

}  // namespace

PlainView::~PlainView() { flush(now()); }

PlainView::PlainView(Write write, Clock clock, Options options)
    : View(std::move(write), std::move(clock)),
      options_(std::move(options)),
      state_({.keep_color = options_.keep_color, .expand_tabs = options_.expand_tabs}, 0) {}

std::chrono::seconds PlainView::wall() const {
  return options_.wall == nullptr ? std::chrono::seconds(0) : options_.wall();
}

void PlainView::say(std::string_view text, Time now) {
  if (text.empty()) return;
  write(text);
  last_line_ = now;
}

void PlainView::print_header(int id) {
  const StepState& step = state_.step(id);
  write(options_.groups.open(bracketed(step) + step.text, id, wall()));
}

void PlainView::print_footer(int id) {
  const StepState& step = state_.step(id);
  write(bracketed(step) + outcome(step) + "\n");
  write(options_.groups.close(bracketed(step) + step.text, id, wall(), step.failed()));
}

void PlainView::print_kept(int id) {
  auto kept = kept_.find(id);
  if (kept == kept_.end()) return;
  write(kept->second.text);
  if (kept->second.dropped_lines > 0)
    write(str(bracketed(state_.step(id)), kept->second.dropped_lines,
              " more lines while other steps had the output: see the full log\n"));
  kept_.erase(kept);
}

void PlainView::print_block(int id, Time now) {
  print_header(id);
  print_kept(id);
  print_footer(id);
  last_line_ = now;
}

void PlainView::own(int id, Time now) {
  owner_ = id;
  print_header(id);
  print_kept(id);
  last_line_ = now;
}

// Blocks that waited, lines that waited, then the longest-running step.
void PlainView::choose_owner(Time now) {
  for (int id : std::exchange(ended_, {})) print_block(id, now);
  for (const std::string& line : std::exchange(asides_, {})) say(line, now);
  const StepState* oldest = nullptr;
  for (const auto& [id, step] : state_.steps())
    if (step.phase == StepState::Phase::kRunning &&
        (oldest == nullptr || step.since < oldest->since))
      oldest = &step;
  if (oldest != nullptr) own(oldest->id, now);
}

void PlainView::add_lines(int id, const std::vector<std::string>& lines, Time now) {
  if (lines.empty()) return;
  const StepState& step = state_.step(id);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f ",
                static_cast<double>((now - step.since).count()) / 1e6);
  std::string text;
  for (const std::string& line : lines) text += bracketed(step) + seconds + line + "\n";
  if (owner_ == id) return say(text, now);
  Kept& kept = kept_[id];
  if (kept.text.size() < kKeptBytes)
    kept.text += text;
  else
    kept.dropped_lines += lines.size();
}

void PlainView::end_step(int id, Time now) {
  if (owner_ == id) {
    owner_.reset();
    print_footer(id);
    last_line_ = now;
    choose_owner(now);
  } else if (owner_) {
    ended_.push_back(id);
  } else {
    print_block(id, now);
  }
}

void PlainView::aside(std::string line, Time now) {
  line += "\n";
  if (owner_)
    asides_.push_back(std::move(line));
  else
    say(line, now);
}

// Everything still kept, also of steps that never ended: those have no outcome to tell.
void PlainView::flush(Time now) {
  if (owner_) write(options_.groups.close(bracketed(state_.step(*owner_)), *owner_, wall(), false));
  owner_.reset();
  for (int id : std::exchange(ended_, {})) print_block(id, now);
  while (!kept_.empty()) {
    int id = kept_.begin()->first;
    print_header(id);
    print_kept(id);
    write(options_.groups.close(bracketed(state_.step(id)), id, wall(), false));
  }
  for (const std::string& line : std::exchange(asides_, {})) say(line, now);
}

void PlainView::handle(const base::Event& event, Time now) {
  std::vector<std::string> lines = state_.apply(event, now);
  if (const auto* start = std::get_if<event::BuildStart>(&event)) {
    std::string title =
        str("building ", start->tag.empty() ? one_line(start->recipe) : one_line(start->tag));
    if (!start->platform.empty()) title += str(" for ", one_line(start->platform));
    say(title + "\n", now);
  } else if (const auto* begun = std::get_if<event::StepStart>(&event)) {
    if (!owner_) own(begun->step, now);
  } else if (const auto* wait = std::get_if<event::StepWait>(&event)) {
    aside(bracketed(state_.step(wait->step)) + "waiting for " + one_line(wait->waiting_for), now);
  } else if (const auto* miss = std::get_if<event::CacheMiss>(&event)) {
    aside(bracketed(state_.step(miss->step)) + miss_line(*miss), now);
  } else if (const auto* log = std::get_if<event::StepLog>(&event)) {
    add_lines(log->step, lines, now);
  } else if (const auto* ended = std::get_if<event::StepEnd>(&event)) {
    add_lines(ended->step, lines, now);
    end_step(ended->step, now);
  } else if (const auto* transfer = std::get_if<event::Transfer>(&event)) {
    Time since = transfers_.try_emplace(transfer->id, now).first->second;
    if (!transfer->finished) return;
    transfers_.erase(transfer->id);
    aside(str("[", one_line(transfer->what), "] ", base::format_size(transfer->done_bytes), " in ",
              base::format_elapsed(now - since)),
          now);
  } else if (const auto* warning = std::get_if<event::Warning>(&event)) {
    aside(warning_line(*warning), now);
  } else if (const auto* note = std::get_if<event::Note>(&event)) {
    aside(one_line(note->text), now);
  } else if (const auto* end = std::get_if<event::BuildEnd>(&event)) {
    flush(now);
    say(summary_line(*end, now - state_.started(), options_.details) + "\n", now);
  }
}

void PlainView::pass(Time now) {
  if (!owner_ || now - last_line_ < kSilence) return;
  const StepState& owner = state_.step(*owner_);
  std::string line = bracketed(owner) + "still running, " + whole_seconds(owner.elapsed(now));
  std::string_view separator = "; also running: ";
  for (const auto& [id, step] : state_.steps()) {
    if (id == *owner_ || step.phase != StepState::Phase::kRunning) continue;
    line += str(separator, step.label(), " (", whole_seconds(step.elapsed(now)), ")");
    separator = ", ";
  }
  say(line + "\n", now);
}

}  // namespace cli
