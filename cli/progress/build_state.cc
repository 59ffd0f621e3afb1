#include "cli/progress/build_state.h"

#include <algorithm>

#include "base/text.h"

namespace cli {

using base::str;
namespace event = base::event;

namespace {

constexpr size_t kTextBytes = 2000;
constexpr size_t kShortId = 12;

template <typename... Handlers>
struct Visitor : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Visitor(Handlers...) -> Visitor<Handlers...>;

}  // namespace

std::string one_line(std::string_view text) {
  std::string flat;
  for (char c : text) {
    bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (blank && (flat.empty() || flat.back() == ' ')) continue;
    flat += blank ? ' ' : c;
  }
  return base::printable(base::trim(flat), kTextBytes);
}

std::string StepState::label() const {
  return stage.empty() ? str("step ", id) : str(stage, " ", index, "/", count);
}

StepState& BuildState::at(int id) {
  auto [it, added] = steps_.try_emplace(id, options_);
  if (added) it->second.id = id;
  return it->second;
}

std::vector<std::string> BuildState::keep(StepState& step, std::vector<std::string> lines) {
  for (const std::string& line : lines) step.tail.push_back(line);
  while (step.tail.size() > tail_lines_) step.tail.pop_front();
  step.lines += lines.size();
  return lines;
}

std::vector<std::string> BuildState::end(const event::StepEnd& e, Time now) {
  StepState& step = at(e.step);
  std::vector<std::string> rest = step.out.finish();
  for (std::string& line : step.err.finish()) rest.push_back(std::move(line));
  if (step.phase == StepState::Phase::kPlanned) step.since = now;
  if (step.phase != StepState::Phase::kFinished) {
    ++finished_;
    cached_ += e.result == event::StepResult::kCached ? 1 : 0;
  }
  step.phase = StepState::Phase::kFinished;
  step.ended = now;
  step.result = e.result;
  step.exit_status = e.exit_status;
  step.error = one_line(e.error);
  return keep(step, std::move(rest));
}

void BuildState::transfer(const event::Transfer& e, Time now) {
  auto found = std::find_if(transfers_.begin(), transfers_.end(),
                            [&](const TransferState& t) { return t.id == e.id; });
  if (e.finished) {
    if (found != transfers_.end()) transfers_.erase(found);
    return;
  }
  if (found == transfers_.end())
    found = transfers_.insert(transfers_.end(), {e.id, one_line(e.what), 0, 0, now});
  found->done_bytes = e.done_bytes;
  found->total_bytes = e.total_bytes;
}

std::vector<std::string> BuildState::apply(const base::Event& event, Time now) {
  using Lines = std::vector<std::string>;
  if (!begun_) started_ = now;
  begun_ = true;
  return std::visit(Visitor{
                        [&](const event::BuildStart& e) {
                          start_ = e;
                          return Lines();
                        },
                        [&](const event::StepPlanned& e) {
                          StepState& step = at(e.step);
                          step.stage = one_line(e.stage);
                          step.index = e.index;
                          step.count = e.count;
                          step.text = one_line(e.text);
                          return Lines();
                        },
                        [&](const event::StepWait& e) {
                          StepState& step = at(e.step);
                          step.phase = StepState::Phase::kWaiting;
                          step.since = now;
                          step.waiting_for = one_line(e.waiting_for);
                          return Lines();
                        },
                        [&](const event::StepStart& e) {
                          StepState& step = at(e.step);
                          step.phase = StepState::Phase::kRunning;
                          step.since = now;
                          return Lines();
                        },
                        [&](const event::StepPhase& e) {
                          StepState& step = at(e.step);
                          if (step.phase == StepState::Phase::kWaiting) {
                            step.phase = StepState::Phase::kRunning;
                            step.since = now;
                          }
                          return Lines();
                        },
                        [&](const event::StepLog& e) {
                          StepState& step = at(e.step);
                          return keep(step, (e.from_stderr ? step.err : step.out).feed(e.bytes));
                        },
                        [&](const event::StepEnd& e) { return end(e, now); },
                        [&](const event::Transfer& e) {
                          transfer(e, now);
                          return Lines();
                        },
                        [&](const event::Activity&) { return Lines(); },
                        [&](const event::Warning& e) {
                          warnings_.push_back(e);
                          return Lines();
                        },
                        [&](const event::CacheMiss&) { return Lines(); },
                        [&](const event::Note&) { return Lines(); },
                        [&](const event::BuildEnd&) { return Lines(); },
                    },
                    event);
}

size_t BuildState::planned() const {
  return std::max(steps_.size(), static_cast<size_t>(std::max(start_.total_steps, 0)));
}

std::string summary_line(const event::BuildEnd& end, Time elapsed, std::string_view details) {
  std::vector<std::string> parts;
  if (!end.tag.empty()) parts.push_back(one_line(end.tag));
  if (!end.succeeded) parts.emplace_back("FAILED");
  std::string_view id = end.image_id;
  id = id.substr(id.find(':') == std::string_view::npos ? 0 : id.find(':') + 1);
  if (end.succeeded && !id.empty()) parts.push_back(base::printable(id.substr(0, kShortId)));
  if (end.succeeded && end.size_bytes > 0)
    parts.push_back(
        str(base::format_size(end.size_bytes), " (", base::format_size(end.new_bytes), " new)"));
  parts.push_back(base::format_elapsed(elapsed));
  parts.push_back(str(end.cached, " of ", end.steps, " cached"));
  if (end.warnings > 0)
    parts.push_back(str(end.warnings, end.warnings == 1 ? " warning" : " warnings"));
  if (!details.empty()) parts.push_back(str(" details: ", details));
  return base::join(parts, "  ");
}

std::string warning_line(const event::Warning& warning) {
  std::string out = "warning: ";
  if (!warning.where.file.empty()) out += base::printable(warning.where.file);
  if (!warning.where.file.empty() && warning.where.first_line > 0)
    out += str(":", warning.where.first_line);
  if (!warning.where.file.empty()) out += ": ";
  out += one_line(warning.text);
  return warning.id.empty() ? out : str(out, "  [", base::printable(warning.id), "]");
}

std::string miss_line(const event::CacheMiss& miss) {
  constexpr size_t kMostShown = 60;
  auto shown = [](std::string_view value) {
    std::string line = one_line(value);
    if (line.empty()) return std::string("nothing");
    if (line.size() <= kMostShown) return line;
    size_t end = kMostShown;
    while ((line[end] & 0xc0) == 0x80) --end;  // not inside a character
    return line.substr(0, end) + "..";
  };
  std::string out = "not cached: " + one_line(miss.reason);
  if (miss.component.empty()) return out;
  return str(out, " ", one_line(miss.component), ": ", shown(miss.old_value), " -> ",
             shown(miss.new_value));
}

}  // namespace cli
