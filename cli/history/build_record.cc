#include "cli/history/build_record.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/text.h"

namespace cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kTimeDigits = 11;
constexpr uint64_t kMostRecordBytes = 64 << 20;

// To the microsecond, as the event stream has it.
double rounded(double seconds) { return std::round(seconds * 1e6) / 1e6; }

// --- writing

Json spans_json(const std::vector<SpanRecord>& spans) {
  Json json = Json::array();
  for (const SpanRecord& span : spans) {
    Json one = {
        {"what", span.what}, {"start", rounded(span.start)}, {"seconds", rounded(span.seconds)}};
    if (span.bytes > 0) one["bytes"] = span.bytes;
    json.push_back(std::move(one));
  }
  return json;
}

Json step_json(const StepRecord& step) {
  Json json = {{"step", step.step},
               {"stage", step.stage},
               {"index", step.index},
               {"count", step.count},
               {"text", step.text},
               {"line", step.line},
               {"result", step.result},
               {"start", rounded(step.start)},
               {"seconds", rounded(step.seconds)}};
  if (step.exit_status != 0) json["exitStatus"] = step.exit_status;
  if (!step.needs.empty()) json["needs"] = step.needs;
  for (const PhaseRecord& phase : step.phases)
    json["phases"].push_back({{"phase", phase.name}, {"start", rounded(phase.start)}});
  for (const MissRecord& miss : step.misses) {
    Json one = {{"reason", miss.reason}};
    if (!miss.component.empty()) {
      one["component"] = miss.component;
      one["old"] = miss.old_value;
      one["new"] = miss.new_value;
    }
    json["misses"].push_back(std::move(one));
  }
  return json;
}

void add_failure(Json& json, const BuildRecord& record) {
  if (!record.error.empty()) json["error"] = record.error;
  if (!record.error_id.empty()) json["errorId"] = record.error_id;
  if (!record.error_place.empty()) json["errorPlace"] = record.error_place;
  if (!record.error_facts.empty()) json["errorFacts"] = record.error_facts;
  if (!record.error_helps.empty()) json["errorHelps"] = record.error_helps;
}

void add_inputs(Json& json, const BuildRecord& record) {
  if (!record.images.empty()) json["images"] = record.images;
  if (!record.sources.empty()) json["sources"] = record.sources;
  if (!record.secrets.empty()) json["secrets"] = record.secrets;
  if (!record.arguments.empty()) json["arguments"] = record.arguments;
  if (record.context_use.bytes == 0) return;
  json["contextUse"] = {{"bytes", record.context_use.bytes},
                        {"usedBytes", record.context_use.used_bytes}};
  for (const ContextUseRecord::Entry& entry : record.context_use.unused)
    json["contextUse"]["unused"].push_back({{"path", entry.path}, {"bytes", entry.bytes}});
}

// --- reading

std::string text_of(const Json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

template <typename Number>
Number number_of(const Json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<Number>() : Number{};
}

bool is_true(const Json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

// Calls `each` with the elements of an array that are objects.
template <typename Each>
void for_each_object(const Json& json, const char* name, Each each) {
  auto found = json.find(name);
  if (found == json.end() || !found->is_array()) return;
  for (const Json& element : *found)
    if (element.is_object()) each(element);
}

std::vector<std::string> texts_of(const Json& json, const char* name) {
  std::vector<std::string> texts;
  auto found = json.find(name);
  if (found == json.end() || !found->is_array()) return texts;
  for (const Json& element : *found)
    if (element.is_string()) texts.push_back(element.get<std::string>());
  return texts;
}

std::map<std::string, std::string> map_of(const Json& json, const char* name) {
  std::map<std::string, std::string> map;
  auto found = json.find(name);
  if (found == json.end() || !found->is_object()) return map;
  for (const auto& [key, value] : found->items())
    if (value.is_string()) map[key] = value.get<std::string>();
  return map;
}

std::vector<SpanRecord> spans_of(const Json& json, const char* name) {
  std::vector<SpanRecord> spans;
  for_each_object(json, name, [&](const Json& one) {
    spans.push_back({text_of(one, "what"), number_of<double>(one, "start"),
                     number_of<double>(one, "seconds"), number_of<uint64_t>(one, "bytes")});
  });
  return spans;
}

ContextUseRecord context_use_of(const Json& json) {
  ContextUseRecord use;
  auto found = json.find("contextUse");
  if (found == json.end() || !found->is_object()) return use;
  use.bytes = number_of<uint64_t>(*found, "bytes");
  use.used_bytes = number_of<uint64_t>(*found, "usedBytes");
  for_each_object(*found, "unused", [&](const Json& one) {
    use.unused.push_back({text_of(one, "path"), number_of<uint64_t>(one, "bytes")});
  });
  return use;
}

StepRecord step_of(const Json& json) {
  StepRecord step;
  step.step = number_of<int>(json, "step");
  step.stage = text_of(json, "stage");
  step.index = number_of<int>(json, "index");
  step.count = number_of<int>(json, "count");
  step.text = text_of(json, "text");
  step.line = number_of<uint64_t>(json, "line");
  step.result = text_of(json, "result");
  step.start = number_of<double>(json, "start");
  step.seconds = number_of<double>(json, "seconds");
  step.exit_status = number_of<int>(json, "exitStatus");
  auto needs = json.find("needs");
  if (needs != json.end() && needs->is_array())
    for (const Json& need : *needs)
      if (need.is_number_integer()) step.needs.push_back(need.get<int>());
  for_each_object(json, "phases", [&](const Json& one) {
    step.phases.push_back({text_of(one, "phase"), number_of<double>(one, "start")});
  });
  for_each_object(json, "misses", [&](const Json& one) {
    step.misses.push_back({text_of(one, "reason"), text_of(one, "component"), text_of(one, "old"),
                           text_of(one, "new")});
  });
  return step;
}

}  // namespace

const StepRecord* BuildRecord::find_step(int number) const {
  auto found = std::find_if(steps.begin(), steps.end(),
                            [&](const StepRecord& step) { return step.step == number; });
  return found == steps.end() ? nullptr : &*found;
}

std::string record_text(const BuildRecord& record) {
  Json json = {{"id", record.id},
               {"recipe", record.recipe},
               {"context", record.context},
               {"tag", record.tag},
               {"platform", record.platform},
               {"started", record.started},
               {"seconds", rounded(record.seconds)},
               {"succeeded", record.succeeded}};
  add_failure(json, record);
  json["image"] = record.image;
  json["sizeBytes"] = record.size_bytes;
  json["newBytes"] = record.new_bytes;
  json["cached"] = record.cached;
  json["warnings"] = record.warnings;
  for (const WarningRecord& warning : record.warning_texts)
    json["warningTexts"].push_back(
        {{"id", warning.id}, {"text", warning.text}, {"line", warning.line}});
  add_inputs(json, record);
  for (const LayerRecord& layer : record.layers)
    json["layers"].push_back({{"diffId", layer.diff_id},
                              {"bytes", layer.bytes},
                              {"madeBy", layer.made_by},
                              {"base", layer.is_base}});
  json["steps"] = Json::array();
  for (const StepRecord& step : record.steps) json["steps"].push_back(step_json(step));
  if (!record.transfers.empty()) json["transfers"] = spans_json(record.transfers);
  if (!record.activities.empty()) json["activities"] = spans_json(record.activities);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

BuildRecord parse_record(const std::string& text) {
  BuildRecord record;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return record;
  record.id = text_of(json, "id");
  record.recipe = text_of(json, "recipe");
  record.context = text_of(json, "context");
  record.tag = text_of(json, "tag");
  record.platform = text_of(json, "platform");
  record.started = text_of(json, "started");
  record.seconds = number_of<double>(json, "seconds");
  record.succeeded = is_true(json, "succeeded");
  record.error = text_of(json, "error");
  record.error_id = text_of(json, "errorId");
  record.error_place = text_of(json, "errorPlace");
  record.error_facts = texts_of(json, "errorFacts");
  record.error_helps = texts_of(json, "errorHelps");
  record.image = text_of(json, "image");
  record.size_bytes = number_of<uint64_t>(json, "sizeBytes");
  record.new_bytes = number_of<uint64_t>(json, "newBytes");
  record.cached = number_of<int>(json, "cached");
  record.warnings = number_of<int>(json, "warnings");
  for_each_object(json, "warningTexts", [&](const Json& one) {
    record.warning_texts.push_back(
        {text_of(one, "id"), text_of(one, "text"), number_of<uint64_t>(one, "line")});
  });
  record.images = map_of(json, "images");
  record.sources = map_of(json, "sources");
  record.secrets = texts_of(json, "secrets");
  record.arguments = texts_of(json, "arguments");
  record.context_use = context_use_of(json);
  for_each_object(json, "layers", [&](const Json& one) {
    record.layers.push_back({text_of(one, "diffId"), number_of<uint64_t>(one, "bytes"),
                             text_of(one, "madeBy"), is_true(one, "base")});
  });
  for_each_object(json, "steps", [&](const Json& one) { record.steps.push_back(step_of(one)); });
  record.transfers = spans_of(json, "transfers");
  record.activities = spans_of(json, "activities");
  return record;
}

BuildRecord read_build(const std::filesystem::path& builds, const std::string& name) {
  std::optional<std::string> text =
      sys::find_user_file(builds / name / "record.json", kMostRecordBytes);
  BuildRecord record = parse_record(text.value_or(""));
  if (record.id.empty()) record.error = "unfinished";
  record.id = name;
  return record;
}

std::filesystem::path step_log_path(const std::filesystem::path& build, int step) {
  return build / base::str("step-", step, ".log");
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

const StepRecord& get_step(const BuildRecord& record, uint64_t number) {
  for (const StepRecord& step : record.steps)
    if (static_cast<uint64_t>(step.step) == number) return step;
  throw base::Error(base::Code::kNotFound, base::str("the build has no step ", number),
                    "step-missing")
      .add_help("torte builds show lists its steps");
}

}  // namespace cli
