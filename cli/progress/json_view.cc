#include "cli/progress/json_view.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace cli {

namespace event = base::event;
using Json = nlohmann::ordered_json;

namespace {

constexpr int kVersion = 1;
constexpr size_t kTailLines = 20;
constexpr Time kTransferInterval = std::chrono::milliseconds(100);

double seconds(Time time) { return static_cast<double>(time.count()) / 1e6; }

Json where_json(const base::SourceRange& where) {
  return {{"file", where.file},
          {"line", where.first_line},
          {"lastLine", where.last_line},
          {"column", where.column},
          {"width", where.width}};
}

// Bytes at the end of `bytes` that may be the start of a character still to come.
size_t partial_length(std::string_view bytes) {
  for (size_t n = 1; n <= 3 && n <= bytes.size(); ++n) {
    auto byte = static_cast<unsigned char>(bytes[bytes.size() - n]);
    if ((byte & 0xc0) == 0x80) continue;
    size_t length = byte >= 0xf5 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
    return length > n ? n : 0;
  }
  return 0;
}

}  // namespace

const char* result_name(event::StepResult result) {
  switch (result) {
    case event::StepResult::kDone:
      return "done";
    case event::StepResult::kCached:
      return "cached";
    case event::StepResult::kFailed:
      return "failed";
    case event::StepResult::kCancelled:
      return "cancelled";
  }
  return "failed";
}

const char* phase_name(event::StepPhase::Phase phase) {
  using Phase = event::StepPhase::Phase;
  switch (phase) {
    case Phase::kFetch:
      return "fetch";
    case Phase::kQueued:
      return "queued";
    case Phase::kRun:
      return "run";
    case Phase::kCommit:
      return "commit";
  }
  return "run";
}

struct JsonView::Document {
  Json fields;
};

JsonView::JsonView(Write write, Clock clock)
    : View(std::move(write), std::move(clock)), state_({}, kTailLines) {}

void JsonView::print(Document& document, Time at) {
  Json line = {{"v", kVersion}};
  line["type"] = document.fields["type"];
  line["t"] = seconds(at - start_);
  document.fields.erase("type");
  line.update(document.fields);
  // Escaped to ASCII: what a program printed must not reach a terminal (spec/security.md 6).
  write(line.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n");
}

void JsonView::print_plan() {
  if (plan_.empty()) return;
  Json steps = Json::array();
  for (const event::StepPlanned& e : plan_)
    steps.push_back({{"step", e.step},
                     {"stage", e.stage},
                     {"index", e.index},
                     {"count", e.count},
                     {"text", e.text},
                     {"where", where_json(e.where)},
                     {"needs", e.needs}});
  plan_.clear();
  Document document{{{"type", "plan"}, {"steps", steps}}};
  print(document, plan_at_);
}

void JsonView::print_log(const event::StepLog& log, Time now) {
  std::string& partial = partial_[{log.step, log.from_stderr}];
  std::string bytes = partial + log.bytes;
  size_t kept = partial_length(bytes);
  partial = bytes.substr(bytes.size() - kept);
  bytes.resize(bytes.size() - kept);
  if (bytes.empty()) return;
  Document document{{{"type", "step.log"},
                     {"step", log.step},
                     {"stream", log.from_stderr ? "stderr" : "stdout"},
                     {"text", bytes}}};
  print(document, now);
}

// What is left of a character that never became whole.
void JsonView::flush_log(int step, Time now) {
  for (bool from_stderr : {false, true}) {
    auto partial = partial_.extract({step, from_stderr});
    if (partial.empty() || partial.mapped().empty()) continue;
    Document document{{{"type", "step.log"},
                       {"step", step},
                       {"stream", from_stderr ? "stderr" : "stdout"},
                       {"text", partial.mapped()}}};
    print(document, now);
  }
}

void JsonView::print_end(const event::StepEnd& end, Time now) {
  flush_log(end.step, now);
  const StepState& step = state_.step(end.step);
  Document document{{{"type", "step.end"},
                     {"step", end.step},
                     {"result", result_name(end.result)},
                     {"seconds", seconds(step.ended - step.since)}}};
  if (end.result == event::StepResult::kFailed) {
    document.fields["exitStatus"] = end.exit_status;
    document.fields["error"] = end.error;
    document.fields["lines"] = step.lines;
    document.fields["tail"] = Json(std::vector<std::string>(step.tail.begin(), step.tail.end()));
  }
  print(document, now);
}

bool JsonView::too_soon(const event::Transfer& transfer, Time now) {
  if (transfer.finished) {
    transfers_.erase(transfer.id);
    return false;
  }
  auto [last, first] = transfers_.try_emplace(transfer.id, now);
  if (!first && now - last->second < kTransferInterval) return true;
  last->second = now;
  return false;
}

void JsonView::handle(const base::Event& event, Time now) {
  if (!begun_) start_ = now;
  begun_ = true;
  state_.apply(event, now);
  if (const auto* planned = std::get_if<event::StepPlanned>(&event)) {
    if (plan_.empty()) plan_at_ = now;
    plan_.push_back(*planned);
    return;
  }
  print_plan();
  if (const auto* log = std::get_if<event::StepLog>(&event)) return print_log(*log, now);
  if (const auto* end = std::get_if<event::StepEnd>(&event)) return print_end(*end, now);
  Document document;
  Json& out = document.fields;
  if (const auto* e = std::get_if<event::BuildStart>(&event)) {
    out = {{"type", "build.start"},
           {"tag", e->tag},
           {"platform", e->platform},
           {"recipe", e->recipe},
           {"steps", e->total_steps}};
  } else if (const auto* w = std::get_if<event::StepWait>(&event)) {
    out = {{"type", "step.wait"}, {"step", w->step}, {"waitingFor", w->waiting_for}};
  } else if (const auto* s = std::get_if<event::StepStart>(&event)) {
    out = {{"type", "step.start"}, {"step", s->step}};
  } else if (const auto* p = std::get_if<event::StepPhase>(&event)) {
    out = {{"type", "step.phase"}, {"step", p->step}, {"phase", phase_name(p->phase)}};
  } else if (const auto* a = std::get_if<event::Activity>(&event)) {
    out = {{"type", "activity"}, {"what", a->what}, {"finished", a->finished}};
  } else if (const auto* c = std::get_if<event::CacheMiss>(&event)) {
    out = {{"type", "cache.explain"},   {"step", c->step},     {"reason", c->reason},
           {"component", c->component}, {"old", c->old_value}, {"new", c->new_value}};
  } else if (const auto* t = std::get_if<event::Transfer>(&event)) {
    if (too_soon(*t, now)) return;
    out = {{"type", "transfer"},
           {"id", t->id},
           {"what", t->what},
           {"doneBytes", t->done_bytes},
           {"totalBytes", t->total_bytes},
           {"finished", t->finished}};
  } else if (const auto* warning = std::get_if<event::Warning>(&event)) {
    out = {{"type", warning->from_check ? "lint" : "warning"},
           {"id", warning->id},
           {"message", warning->text},
           {"where", where_json(warning->where)}};
  } else if (const auto* note = std::get_if<event::Note>(&event)) {
    out = {{"type", "note"}, {"text", note->text}};
  } else if (const auto* end = std::get_if<event::BuildEnd>(&event)) {
    out = {{"type", "build.end"}, {"succeeded", end->succeeded},  {"imageId", end->image_id},
           {"tag", end->tag},     {"sizeBytes", end->size_bytes}, {"newBytes", end->new_bytes},
           {"steps", end->steps}, {"cached", end->cached},        {"warnings", end->warnings}};
  }
  print(document, now);
}

}  // namespace cli
