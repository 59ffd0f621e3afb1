#include "cli/build/build_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/hash.h"
#include "base/sys/fd.h"
#include "base/sys/file.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "builder/dockerfile/git_reference.h"
#include "cli/progress/json_view.h"
#include "store/layout.h"

namespace cli {

namespace {

namespace event = base::event;

constexpr size_t kMostBuilds = 200;
constexpr int64_t kLongestMilliseconds = int64_t{30} * 24 * 3600 * 1000;
// A record is for looking at; these keep a strange build from making a large one.
constexpr size_t kMostSpans = 2000;
constexpr size_t kMostWarnings = 200;
constexpr size_t kMostMisses = 101;  // a hundred changes, and how many more there are
constexpr size_t kShownMisses = 10;
constexpr size_t kMostTextBytes = 1000;
constexpr size_t kMostValueBytes = 200;

int64_t milliseconds_of(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::string name_at(int64_t milliseconds) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%011llx", static_cast<unsigned long long>(milliseconds));
  return digits;
}

std::string iso_time(std::chrono::system_clock::time_point time) {
  time_t seconds = std::chrono::system_clock::to_time_t(time);
  tm parts;
  ::gmtime_r(&seconds, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// Without passwords of URLs, and of bounded length; not cut inside a character.
std::string kept_text(std::string_view text, size_t limit = kMostTextBytes) {
  std::string kept = dockerfile::words_without_userinfo(text);
  if (kept.size() <= limit) return kept;
  size_t end = limit;
  while (end > 0 && (kept[end] & 0xc0) == 0x80) --end;
  return kept.substr(0, end) + "...";
}

size_t misses_not_shown(const StepRecord& step) {
  return step.misses.size() - std::min(step.misses.size(), kShownMisses);
}

void remove_old(const std::filesystem::path& builds) {
  std::vector<std::string> names = list_builds(builds);
  std::string oldest =
      name_at(milliseconds_of(std::chrono::system_clock::now()) - kLongestMilliseconds);
  for (size_t i = 0; i < names.size(); ++i)
    if (i >= kMostBuilds || names[i] < oldest) sys::remove_tree(builds / names[i]);
}

}  // namespace

BuildRecorder::BuildRecorder(base::EventSink& next, const std::filesystem::path& builds)
    : next_(next), builds_(builds) {
  std::string unique = base::sha256_hex(base::as_bytes(store::unique_name("build"))).substr(0, 8);
  directory_ = builds / base::str(name_at(milliseconds_of(started_)), "-", unique);
  record_.id = directory_.filename().string();
  record_.started = iso_time(started_);
}

std::string BuildRecorder::short_id() const {
  return short_build_id(directory_.filename().string());
}

double BuildRecorder::now() const {
  const auto passed = std::chrono::steady_clock::now() - start_;
  return static_cast<double>(
             std::chrono::duration_cast<std::chrono::microseconds>(passed).count()) /
         1e6;
}

void BuildRecorder::emit(const base::Event& event) {
  bool is_passed_on = true;
  size_t left_out = 0;
  {
    std::lock_guard lock(mutex_);
    note(event);
    if (const auto* miss = std::get_if<event::CacheMiss>(&event))
      is_passed_on = shows_misses_ && steps_[miss->step].misses.size() <= kShownMisses;
    // What a step is told to do next ends what is told of its misses.
    if (const auto* phase = std::get_if<event::StepPhase>(&event);
        phase != nullptr && shows_misses_ && phase->phase == event::StepPhase::Phase::kQueued)
      left_out = misses_not_shown(steps_[phase->step]);
    // The start of the build is the first of its events.
    if (std::holds_alternative<event::Activity>(event)) is_passed_on = is_begun_;
  }
  if (left_out > 0)
    next_.emit(event::CacheMiss{std::get<event::StepPhase>(event).step,
                                base::str(left_out, " more: torte explain --all"), "", "", ""});
  if (is_passed_on) next_.emit(event);
}

StepRecord& BuildRecorder::step(int number) {
  StepRecord& step = steps_[number];
  step.step = number;
  return step;
}

void BuildRecorder::note(const base::Event& event) {
  if (const auto* start = std::get_if<event::BuildStart>(&event)) {
    is_begun_ = true;
    record_.recipe = kept_text(start->recipe);
    record_.tag = start->tag;
    record_.platform = start->platform;
  } else if (const auto* planned = std::get_if<event::StepPlanned>(&event)) {
    StepRecord& step = this->step(planned->step);
    step.stage = planned->stage;
    step.index = planned->index;
    step.count = planned->count;
    step.text = kept_text(planned->text);
    step.line = static_cast<uint64_t>(std::max(planned->where.first_line, 0));
    step.needs = planned->needs;
  } else if (const auto* started = std::get_if<event::StepStart>(&event)) {
    step(started->step).start = now();
  } else if (const auto* wait = std::get_if<event::StepWait>(&event)) {
    step(wait->step).phases.push_back({"waiting", now()});
  } else if (const auto* phase = std::get_if<event::StepPhase>(&event)) {
    step(phase->step).phases.push_back({phase_name(phase->phase), now()});
  } else if (const auto* ended = std::get_if<event::StepEnd>(&event)) {
    note_end(*ended);
  } else if (const auto* miss = std::get_if<event::CacheMiss>(&event)) {
    note_miss(*miss);
  } else if (const auto* transfer = std::get_if<event::Transfer>(&event)) {
    note_transfer(*transfer);
  } else if (const auto* activity = std::get_if<event::Activity>(&event)) {
    note_activity(*activity);
  } else if (const auto* warning = std::get_if<event::Warning>(&event)) {
    if (record_.warning_texts.size() < kMostWarnings)
      record_.warning_texts.push_back(
          {warning->id, kept_text(warning->text),
           static_cast<uint64_t>(std::max(warning->where.first_line, 0))});
  } else if (const auto* build = std::get_if<event::BuildEnd>(&event)) {
    record_.succeeded = build->succeeded;
    record_.image = build->image_id;
    record_.size_bytes = build->size_bytes;
    record_.new_bytes = build->new_bytes;
    record_.cached = build->cached;
    record_.warnings = build->warnings;
  }
}

void BuildRecorder::note_end(const event::StepEnd& end) {
  StepRecord& step = this->step(end.step);
  step.result = result_name(end.result);
  step.exit_status = end.exit_status;
  if (step.start > 0) step.seconds = now() - step.start;
  if (end.result == event::StepResult::kFailed && !failed_) failed_ = end.step;
}

void BuildRecorder::note_miss(const event::CacheMiss& miss) {
  StepRecord& step = this->step(miss.step);
  if (step.misses.size() >= kMostMisses) return;
  step.misses.push_back({miss.reason, kept_text(miss.component, kMostValueBytes),
                         kept_text(miss.old_value, kMostValueBytes),
                         kept_text(miss.new_value, kMostValueBytes)});
}

void BuildRecorder::note_transfer(const event::Transfer& transfer) {
  auto [moving, is_new] = moving_.try_emplace(transfer.id, record_.transfers.size());
  if (is_new) {
    if (record_.transfers.size() >= kMostSpans) {
      moving_.erase(moving);
      return;
    }
    record_.transfers.push_back({kept_text(transfer.what), now(), 0, 0});
  }
  SpanRecord& span = record_.transfers[moving->second];
  span.seconds = now() - span.start;
  span.bytes = transfer.done_bytes;
  if (transfer.finished) moving_.erase(moving);
}

void BuildRecorder::note_activity(const event::Activity& activity) {
  auto active = active_.find(activity.what);
  if (activity.finished && active != active_.end()) {
    SpanRecord& span = record_.activities[active->second];
    span.seconds = now() - span.start;
    active_.erase(active);
  } else if (!activity.finished && active == active_.end() &&
             record_.activities.size() < kMostSpans) {
    active_[activity.what] = record_.activities.size();
    record_.activities.push_back({activity.what, now(), 0, 0});
  }
}

std::optional<int> BuildRecorder::failed_step_with_log() const {
  std::lock_guard lock(mutex_);
  struct stat st;
  if (!failed_ || ::stat(step_log_path(directory_, *failed_).c_str(), &st) < 0) return std::nullopt;
  return failed_;
}

void BuildRecorder::set_inputs(Inputs inputs) {
  std::lock_guard lock(mutex_);
  record_.context = kept_text(inputs.context);
  record_.images = std::move(inputs.images);
  record_.sources.clear();
  for (const auto& [address, found] : inputs.sources)
    record_.sources[dockerfile::without_userinfo(address)] = found;
  record_.secrets = std::move(inputs.secrets);
  record_.arguments = std::move(inputs.arguments);
}

void BuildRecorder::set_layers(std::vector<LayerRecord> layers) {
  std::lock_guard lock(mutex_);
  record_.layers = std::move(layers);
  for (LayerRecord& layer : record_.layers) layer.made_by = kept_text(layer.made_by);
}

void BuildRecorder::set_context_use(ContextUseRecord use) {
  std::lock_guard lock(mutex_);
  record_.context_use = std::move(use);
}

// Of what was cut short nobody tells the end.
void BuildRecorder::end_activities() {
  for (const auto& [what, index] : active_) {
    SpanRecord& span = record_.activities[index];
    span.seconds = now() - span.start;
  }
  active_.clear();
}

void BuildRecorder::end(const base::Error* error) {
  std::lock_guard lock(mutex_);
  end_activities();
  record_.seconds = now();
  if (error == nullptr) return;
  record_.succeeded = false;
  record_.error = kept_text(error->message());
  record_.error_id = error->id();
  if (error->place() && error->place()->where.first_line > 0)
    record_.error_place =
        base::str(kept_text(error->place()->where.file), ":", error->place()->where.first_line);
  for (const std::string& fact : error->facts()) record_.error_facts.push_back(kept_text(fact));
  for (const std::string& help : error->helps()) record_.error_helps.push_back(kept_text(help));
}

BuildRecord BuildRecorder::record() const {
  std::lock_guard lock(mutex_);
  BuildRecord record = record_;
  for (const auto& [number, step] : steps_) record.steps.push_back(step);
  return record;
}

void BuildRecorder::keep() {
  try {
    sys::make_directories(directory_);
    std::filesystem::path path = directory_ / "record.json";
    // A record is not worth waiting for a disk.
    sys::UniqueFd fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) base::throw_errno("create " + path.string());
    sys::write_all(fd.get(), base::as_bytes(record_text(record())), path.string());
    remove_old(builds_);
  } catch (const base::Error& e) {
    next_.emit(event::Note{base::str("the build is not in the history: ", e.what())});
  }
}

}  // namespace cli
