#include "cli/build/build_record.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/fd.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "cli/progress/json_view.h"
#include "store/layout.h"

namespace cli {

namespace {

namespace event = base::event;
using Json = nlohmann::ordered_json;

constexpr size_t kMostBuilds = 200;
constexpr int64_t kLongestMilliseconds = int64_t{30} * 24 * 3600 * 1000;
constexpr size_t kTimeDigits = 11;

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

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
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
}

std::string BuildRecorder::short_id() const {
  return short_build_id(directory_.filename().string());
}

void BuildRecorder::emit(const base::Event& event) {
  {
    std::lock_guard lock(mutex_);
    if (const auto* start = std::get_if<event::BuildStart>(&event)) build_ = *start;
    if (const auto* end = std::get_if<event::BuildEnd>(&event)) end_ = *end;
    if (const auto* planned = std::get_if<event::StepPlanned>(&event))
      steps_[planned->step].planned = *planned;
    if (const auto* start = std::get_if<event::StepStart>(&event))
      steps_[start->step].start = std::chrono::steady_clock::now();
    if (const auto* end = std::get_if<event::StepEnd>(&event)) {
      Step& step = steps_[end->step];
      step.result = result_name(end->result);
      step.exit_status = end->exit_status;
      if (step.start.time_since_epoch().count() != 0) step.seconds = seconds_since(step.start);
      if (end->result == event::StepResult::kFailed && !failed_) failed_ = end->step;
    }
  }
  next_.emit(event);
}

std::optional<int> BuildRecorder::failed_step_with_log() const {
  std::lock_guard lock(mutex_);
  struct stat st;
  if (!failed_ || ::stat((directory_ / base::str("step-", *failed_, ".log")).c_str(), &st) < 0)
    return std::nullopt;
  return failed_;
}

std::string BuildRecorder::text(const std::string& error) const {
  std::lock_guard lock(mutex_);
  Json json = {{"id", directory_.filename().string()},
               {"recipe", build_.recipe},
               {"tag", build_.tag},
               {"platform", build_.platform},
               {"started", iso_time(started_)},
               {"seconds", seconds_since(start_)},
               {"succeeded", end_ && end_->succeeded}};
  if (!error.empty()) json["error"] = error;
  if (end_) {
    json["image"] = end_->image_id;
    json["sizeBytes"] = end_->size_bytes;
    json["newBytes"] = end_->new_bytes;
    json["cached"] = end_->cached;
    json["warnings"] = end_->warnings;
  }
  json["steps"] = Json::array();
  for (const auto& [number, step] : steps_) {
    Json one = {{"step", number},
                {"stage", step.planned.stage},
                {"index", step.planned.index},
                {"count", step.planned.count},
                {"text", step.planned.text},
                {"line", step.planned.where.first_line},
                {"result", step.result},
                {"seconds", step.seconds}};
    if (step.exit_status != 0) one["exitStatus"] = step.exit_status;
    json["steps"].push_back(std::move(one));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void BuildRecorder::finish(const std::string& error) {
  try {
    sys::make_directories(directory_);
    std::filesystem::path path = directory_ / "record.json";
    // A record is not worth waiting for a disk.
    sys::UniqueFd fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) base::throw_errno("create " + path.string());
    sys::write_all(fd.get(), base::as_bytes(text(error)), path.string());
    remove_old(builds_);
  } catch (const base::Error& e) {
    next_.emit(event::Note{base::str("the build is not in the history: ", e.what())});
  }
}

std::vector<std::string> list_builds(const std::filesystem::path& builds) {
  sys::UniqueFd directory(::open(builds.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return {};
  std::vector<std::string> names = sys::list_names(directory.get());
  std::erase_if(names, [](const std::string& name) {
    return name.size() <= kTimeDigits || name[kTimeDigits] != '-';
  });
  std::reverse(names.begin(), names.end());
  return names;
}

std::string short_build_id(const std::string& name) {
  return name.substr(std::min(name.size(), kTimeDigits + 1));
}

std::string find_build(const std::filesystem::path& builds, const std::string& text) {
  std::vector<std::string> names = list_builds(builds);
  base::Error missing(base::Code::kNotFound, "there is no build " + base::printable(text),
                      "build-missing");
  missing.add_help("torte builds ls shows those there are");
  if (text.empty() || text == "last" || text.starts_with('^')) {
    uint64_t back = text.starts_with('^') ? base::parse_decimal(text.substr(1)).value_or(0) : 1;
    if (back == 0 || back > names.size()) throw missing;
    return names[back - 1];
  }
  std::vector<std::string> found;
  for (const std::string& name : names)
    if (name == text || short_build_id(name).starts_with(text)) found.push_back(name);
  if (found.empty()) throw missing;
  if (found.size() > 1)
    throw base::Error(base::Code::kInvalid,
                      base::printable(text) + " is the beginning of several builds",
                      "build-ambiguous");
  return found[0];
}

}  // namespace cli
