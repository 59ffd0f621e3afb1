#include "store/oci/image_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "store/oci/json_fields.h"
#include "store/oci/limits.h"
#include "store/oci/strict_json.h"

namespace oci {

namespace {

using Ordered = nlohmann::ordered_json;

std::chrono::nanoseconds duration(const Fields& fields, std::string_view key) {
  return std::chrono::nanoseconds(fields.integer(key, 0, INT64_MAX).value_or(0));
}

Healthcheck read_healthcheck(const Fields& fields) {
  return Healthcheck{.test = fields.texts("Test"),
                     .interval = duration(fields, "Interval"),
                     .timeout = duration(fields, "Timeout"),
                     .start_period = duration(fields, "StartPeriod"),
                     .start_interval = duration(fields, "StartInterval"),
                     .retries = fields.integer("Retries", 0, INT64_MAX).value_or(0)};
}

ContainerConfig read_container_config(const Fields& fields) {
  ContainerConfig out;
  out.user = fields.text("User");
  out.exposed_ports = fields.keys("ExposedPorts");
  out.env = fields.texts("Env");
  out.entrypoint = fields.texts("Entrypoint");
  out.cmd = fields.texts("Cmd");
  out.volumes = fields.keys("Volumes");
  out.working_dir = fields.text("WorkingDir");
  out.labels = fields.text_map("Labels");
  out.stop_signal = fields.text("StopSignal");
  if (const nlohmann::json* check = fields.find("Healthcheck"))
    out.healthcheck = read_healthcheck(Fields(*check, fields.where("Healthcheck")));
  out.shell = fields.texts("Shell");
  out.on_build = fields.texts("OnBuild");
  out.args_escaped = fields.flag("ArgsEscaped");
  out.other_fields =
      fields.without({"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir",
                      "Labels", "StopSignal", "Healthcheck", "Shell", "OnBuild", "ArgsEscaped"});
  return out;
}

std::vector<DiffId> read_diff_ids(const Fields& fields) {
  if (fields.required_text("type") != "layers") fields.fail("type", "must be \"layers\"");
  const nlohmann::json* list = fields.array("diff_ids");
  // Docker writes null for an image without layers.
  std::vector<DiffId> out;
  if (list == nullptr) return out;
  if (list->size() > kMaxLayers)
    fields.fail("diff_ids", base::str(list->size(), " entries; the limit is ", kMaxLayers));
  for (const std::string& text : fields.texts("diff_ids")) {
    auto id = DiffId::try_parse(text);
    if (!id) fields.fail("diff_ids", "holds a malformed digest");
    out.push_back(*std::move(id));
  }
  return out;
}

std::vector<HistoryEntry> read_history(const Fields& fields) {
  std::vector<HistoryEntry> out;
  const nlohmann::json* list = fields.array("history");
  if (list == nullptr) return out;
  for (size_t i = 0; i < list->size(); ++i) {
    Fields entry((*list)[i], fields.where(base::str("history[", i, "]")));
    out.push_back(HistoryEntry{.created = entry.text("created"),
                               .created_by = entry.text("created_by"),
                               .author = entry.text("author"),
                               .comment = entry.text("comment"),
                               .empty_layer = entry.flag("empty_layer")});
  }
  return out;
}

void put(Ordered& out, const char* key, const std::string& text) {
  if (!text.empty()) out[key] = text;
}

void put(Ordered& out, const char* key, const std::vector<std::string>& list) {
  if (!list.empty()) out[key] = list;
}

void put(Ordered& out, const char* key, const std::set<std::string>& names) {
  for (const std::string& name : names) out[key][name] = Ordered::object();
}

void put(Ordered& out, const char* key, std::chrono::nanoseconds duration) {
  if (duration.count() != 0) out[key] = duration.count();
}

Ordered write_healthcheck(const Healthcheck& check) {
  Ordered out = Ordered::object();
  put(out, "Test", check.test);
  put(out, "Interval", check.interval);
  put(out, "Timeout", check.timeout);
  put(out, "StartPeriod", check.start_period);
  put(out, "StartInterval", check.start_interval);
  if (check.retries != 0) out["Retries"] = check.retries;
  return out;
}

Ordered write_container_config(const ContainerConfig& config) {
  Ordered out = Ordered::object();
  put(out, "User", config.user);
  put(out, "ExposedPorts", config.exposed_ports);
  put(out, "Env", config.env);
  put(out, "Entrypoint", config.entrypoint);
  put(out, "Cmd", config.cmd);
  put(out, "Volumes", config.volumes);
  put(out, "WorkingDir", config.working_dir);
  if (!config.labels.empty()) out["Labels"] = config.labels;
  put(out, "StopSignal", config.stop_signal);
  if (config.healthcheck) out["Healthcheck"] = write_healthcheck(*config.healthcheck);
  put(out, "Shell", config.shell);
  put(out, "OnBuild", config.on_build);
  if (config.args_escaped) out["ArgsEscaped"] = true;
  merge_other_fields(config.other_fields, out);
  return out;
}

Ordered write_history(const HistoryEntry& entry) {
  Ordered out = Ordered::object();
  put(out, "created", entry.created);
  put(out, "created_by", entry.created_by);
  put(out, "author", entry.author);
  put(out, "comment", entry.comment);
  if (entry.empty_layer) out["empty_layer"] = true;
  return out;
}

void check_size(std::string_view json) {
  if (json.size() > kMaxConfigBytes)
    throw base::Error(base::Code::kInvalid,
                      base::str("config: ", json.size(), " bytes; the limit is ", kMaxConfigBytes),
                      "bad-document");
}

}  // namespace

ImageConfig ImageConfig::parse(std::string_view json) {
  check_size(json);
  nlohmann::json document = parse_strict_json(json, "config");
  Fields fields(document, "config");
  ImageConfig out;
  out.created = fields.text("created");
  out.author = fields.text("author");
  out.platform = read_platform(fields);
  if (const nlohmann::json* config = fields.find("config"))
    out.config = read_container_config(Fields(*config, fields.where("config")));
  const nlohmann::json* rootfs = fields.find("rootfs");
  if (rootfs == nullptr) fields.fail("rootfs", "missing");
  out.diff_ids = read_diff_ids(Fields(*rootfs, fields.where("rootfs")));
  out.history = read_history(fields);
  out.other_fields = fields.without({"created", "author", "architecture", "os", "os.version",
                                     "os.features", "variant", "config", "rootfs", "history"});
  out.raw = json;
  return out;
}

std::string ImageConfig::to_json() const {
  Ordered out = Ordered::object();
  put(out, "created", created);
  put(out, "author", author);
  write_platform(platform, out);
  out["config"] = write_container_config(config);
  Ordered ids = Ordered::array();
  for (const DiffId& id : diff_ids) ids.push_back(id.str());
  out["rootfs"] = Ordered{{"type", "layers"}, {"diff_ids", std::move(ids)}};
  for (const HistoryEntry& entry : history) out["history"].push_back(write_history(entry));
  merge_other_fields(other_fields, out);
  std::string json = dump_json(out);
  check_size(json);
  return json;
}

}  // namespace oci
