#include "runner/container/state.h"

#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "base/text.h"
#include "store/oci/json_fields.h"
#include "store/oci/strict_json.h"
#include "store/oci/timestamp.h"

namespace container {

namespace {

using Json = nlohmann::ordered_json;
using oci::Fields;

constexpr const char* kStatuses[] = {"created", "initialized", "running",
                                     "paused",  "restarting",  "exited"};
constexpr const char* kHealths[] = {"none", "starting", "healthy", "unhealthy"};
constexpr int64_t kAny = INT64_MAX;

std::string time_text(Time time) { return time == Time{} ? "" : oci::format_timestamp(time); }
Time read_time(const Fields& fields, std::string_view key) {
  return oci::parse_timestamp(fields.text(key)).value_or(Time{});
}

template <typename Enum, size_t n>
Enum read_enum(const Fields& fields, std::string_view key, const char* const (&names)[n]) {
  const std::string text = fields.text(key);
  for (size_t i = 0; i < n; ++i)
    if (text == names[i]) return static_cast<Enum>(i);
  fields.fail(key, "is not a known word");
}

uint64_t number(const Fields& fields, std::string_view key) {
  return static_cast<uint64_t>(fields.integer(key, 0, kAny).value_or(0));
}

}  // namespace

std::string_view name_of(Status status) { return kStatuses[static_cast<int>(status)]; }
std::string_view name_of(Health health) { return kHealths[static_cast<int>(health)]; }

void State::forget_process() {
  pid = 0;
  cgroups.clear();
  ports.clear();
  interface = address = gateway = mac = "";
  networks.clear();
}

std::string State::to_json() const {
  Json out = {{"status", name_of(status)},
              {"pid", pid},
              {"pidStart", pid_start},
              {"monitor", monitor},
              {"boot", boot},
              {"exitCode", exit_code},
              {"memoryKilled", memory_killed},
              {"error", error},
              {"started", time_text(started)},
              {"finished", time_text(finished)},
              {"restarts", restarts},
              {"stoppedByUser", stopped_by_user},
              {"health", name_of(health)},
              {"failingStreak", failing_streak},
              {"cgroups", cgroups},
              {"interface", interface},
              {"address", address},
              {"gateway", gateway},
              {"mac", mac},
              {"ports", ports}};
  for (const network::Membership& one : networks)
    out["networks"].push_back({{"network", one.network},
                               {"interface", one.interface},
                               {"address", one.address},
                               {"gateway", one.gateway},
                               {"mac", one.mac},
                               {"aliases", one.aliases},
                               {"address6", one.address6},
                               {"gateway6", one.gateway6}});
  if (!probes.empty()) {
    Json list = Json::array();
    for (const Probe& probe : probes)
      list.push_back({{"start", time_text(probe.start)},
                      {"end", time_text(probe.end)},
                      {"exitCode", probe.exit_code},
                      {"output", probe.output}});
    out["probes"] = std::move(list);
  }
  return oci::dump_json(out);
}

State State::parse(std::string_view json) {
  const nlohmann::json document = oci::parse_strict_json(json, "container state");
  Fields fields(document, "container state");
  State state;
  state.status = read_enum<Status>(fields, "status", kStatuses);
  state.pid = static_cast<pid_t>(number(fields, "pid"));
  state.pid_start = number(fields, "pidStart");
  state.monitor = static_cast<pid_t>(number(fields, "monitor"));
  state.boot = fields.text("boot");
  state.exit_code = static_cast<int>(fields.integer("exitCode", -1, 1 << 20).value_or(0));
  state.memory_killed = fields.flag("memoryKilled");
  state.error = fields.text("error");
  state.started = read_time(fields, "started");
  state.finished = read_time(fields, "finished");
  state.restarts = number(fields, "restarts");
  state.stopped_by_user = fields.flag("stoppedByUser");
  state.health = read_enum<Health>(fields, "health", kHealths);
  state.failing_streak = number(fields, "failingStreak");
  state.cgroups = fields.texts("cgroups");
  state.interface = fields.text("interface");
  state.address = fields.text("address");
  state.gateway = fields.text("gateway");
  state.mac = fields.text("mac");
  state.ports = fields.texts("ports");
  if (const nlohmann::json* networks = fields.array("networks"))
    for (const nlohmann::json& item : *networks) {
      Fields one(item, "network");
      state.networks.push_back({one.text("network"), one.text("interface"), one.text("address"),
                                one.text("gateway"), one.text("mac"), one.texts("aliases"),
                                one.text("address6"), one.text("gateway6")});
    }
  if (const nlohmann::json* probes = fields.array("probes"))
    for (const nlohmann::json& item : *probes) {
      Fields probe(item, "probe");
      state.probes.push_back({read_time(probe, "start"), read_time(probe, "end"),
                              static_cast<int>(probe.integer("exitCode", -1, 1 << 20).value_or(0)),
                              probe.text("output")});
    }
  return state;
}

std::string this_boot() {
  constexpr uint64_t kLimit = 4096;
  return std::string(base::trim(
      sys::find_user_file("/proc/sys/kernel/random/boot_id", kLimit).value_or("unknown")));
}

Time now() {
  return std::chrono::time_point_cast<Time::duration>(std::chrono::system_clock::now());
}

}  // namespace container
