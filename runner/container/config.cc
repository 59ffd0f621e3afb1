#include "runner/container/config.h"

#include <signal.h>
#include <string.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "runner/container/network_json.h"
#include "store/oci/json_fields.h"
#include "store/oci/strict_json.h"
#include "store/oci/timestamp.h"

namespace container {

namespace {

using Json = nlohmann::ordered_json;
using oci::Fields;

constexpr int64_t kAny = INT64_MAX;

const char* kMountTypes[] = {"bind", "volume", "tmpfs", "image", "devpts"};
const char* kPropagations[] = {"", "rslave", "rshared"};  // nothing is said of private

Json mount_json(const MountConfig& mount) {
  Json out = {{"type", kMountTypes[static_cast<int>(mount.type)]},
              {"source", mount.source},
              {"subpath", mount.subpath},
              {"target", mount.target},
              {"readOnly", mount.read_only},
              {"noExec", !mount.executable},
              {"notRecursive", !mount.recursive},
              {"overlay", mount.overlay},
              {"mapIds", mount.map_ids},
              {"chown", mount.chown},
              {"anonymous", mount.anonymous},
              {"noCopy", !mount.copy},
              {"mode", mount.mode},
              {"propagation", kPropagations[static_cast<int>(mount.propagation)]},
              {"sizeBytes", mount.size_bytes}};
  if (mount.type == MountConfig::Type::kDevpts)
    out.update({{"uid", mount.uid}, {"gid", mount.gid}, {"most", mount.most}});
  out["layers"] = Json::array();
  for (const oci::DiffId& layer : mount.layers) out["layers"].push_back(layer.str());
  return out;
}

uint64_t number(const Fields& fields, std::string_view key) {
  return static_cast<uint64_t>(fields.integer(key, 0, kAny).value_or(0));
}

std::vector<oci::DiffId> read_layers(const Fields& fields, std::string_view key) {
  std::vector<oci::DiffId> layers;
  for (const std::string& text : fields.texts(key)) layers.push_back(oci::DiffId::parse(text));
  return layers;
}

MountConfig read_mount(const nlohmann::json& object) {
  Fields fields(object, "mount");
  MountConfig mount;
  const std::string type = fields.required_text("type");
  const auto found = std::find(std::begin(kMountTypes), std::end(kMountTypes), type);
  if (found == std::end(kMountTypes)) fields.fail("type", "is no type of mount");
  mount.type = static_cast<MountConfig::Type>(found - std::begin(kMountTypes));
  mount.source = fields.text("source");
  mount.subpath = fields.text("subpath");
  mount.target = fields.required_text("target");
  mount.read_only = fields.flag("readOnly");
  mount.executable = !fields.flag("noExec");
  mount.recursive = !fields.flag("notRecursive");
  mount.overlay = fields.flag("overlay");
  mount.map_ids = fields.flag("mapIds");
  mount.chown = fields.flag("chown");
  mount.anonymous = fields.flag("anonymous");
  mount.copy = !fields.flag("noCopy");
  mount.mode = static_cast<uint32_t>(number(fields, "mode"));
  mount.size_bytes = number(fields, "sizeBytes");
  const auto propagation =
      std::find(std::begin(kPropagations), std::end(kPropagations), fields.text("propagation"));
  if (propagation == std::end(kPropagations)) fields.fail("propagation", "is none");
  mount.propagation = static_cast<sys::Propagation>(propagation - std::begin(kPropagations));
  mount.uid = static_cast<uint32_t>(number(fields, "uid"));
  mount.gid = static_cast<uint32_t>(number(fields, "gid"));
  mount.most = number(fields, "most");
  mount.layers = read_layers(fields, "layers");
  return mount;
}

template <typename Number>
void put(Json& out, const char* key, const std::optional<Number>& value) {
  if (value) out[key] = *value;
}

/// What says nothing is not written: a record is read by every listing of containers. Numbers stay,
/// for where one may be absent, 0 means something.
void drop_empty(Json& object) {
  for (auto item = object.begin(); item != object.end();) {
    Json& value = item.value();
    const bool empty = (value.is_string() && value.get_ref<const std::string&>().empty()) ||
                       (value.is_structured() && value.empty()) || value == false;
    if (empty) {
      item = object.erase(item);
      continue;
    }
    if (value.is_object()) drop_empty(value);
    if (value.is_array())
      for (Json& element : value)
        if (element.is_object()) drop_empty(element);
    ++item;
  }
}

Json map_json(const std::vector<sys::IdRange>& rows) {
  Json out = Json::array();
  for (const sys::IdRange& row : rows) out.push_back({row.inside, row.outside, row.count});
  return out;
}

std::vector<sys::IdRange> read_map(const Fields& fields, const char* key) {
  std::vector<sys::IdRange> rows;
  const nlohmann::json* list = fields.array(key);
  if (list == nullptr) return rows;
  for (const nlohmann::json& row : *list) {
    if (!row.is_array() || row.size() != 3 || !row[0].is_number_unsigned() ||
        !row[1].is_number_unsigned() || !row[2].is_number_unsigned())
      fields.fail(key, "is not a list of three numbers each");
    rows.push_back({row[0].get<uint32_t>(), row[1].get<uint32_t>(), row[2].get<uint32_t>()});
  }
  return rows;
}

Json limits_json(const launch::Limits& limits) {
  Json out = Json::object();
  put(out, "memoryBytes", limits.memory_bytes);
  put(out, "memorySwapBytes", limits.memory_swap_bytes);
  put(out, "memoryReservationBytes", limits.memory_reservation_bytes);
  put(out, "cpus", limits.cpus);
  put(out, "cpuPeriod", limits.cpu_period_microseconds);
  put(out, "ioWeight", limits.io_weight);
  for (const launch::Throttle& throttle : limits.throttles)
    out["throttles"].push_back(
        {static_cast<int>(throttle.kind), throttle.major, throttle.minor, throttle.rate});
  put(out, "cpuShares", limits.cpu_shares);
  put(out, "pids", limits.pids);
  if (!limits.cpuset_cpus.empty()) out["cpusetCpus"] = limits.cpuset_cpus;
  if (!limits.cpuset_memories.empty()) out["cpusetMems"] = limits.cpuset_memories;
  return out;
}

std::vector<launch::Throttle> read_throttles(const Fields& fields) {
  std::vector<launch::Throttle> throttles;
  const nlohmann::json* list = fields.array("throttles");
  if (list == nullptr) return throttles;
  for (const nlohmann::json& row : *list) {
    const bool numbers =
        row.is_array() && row.size() == 4 &&
        std::all_of(row.begin(), row.end(), [](const auto& n) { return n.is_number_unsigned(); });
    if (!numbers || row[0] > 3) fields.fail("throttles", "is not a list of four numbers each");
    throttles.push_back({static_cast<launch::Throttle::Kind>(row[0].get<int>()),
                         row[1].get<uint32_t>(), row[2].get<uint32_t>(), row[3].get<uint64_t>()});
  }
  return throttles;
}

launch::Limits read_limits(const nlohmann::json* object) {
  launch::Limits limits;
  if (object == nullptr) return limits;
  Fields fields(*object, "limits");
  auto take = [&](const char* key, std::optional<uint64_t>& value) {
    if (auto found = fields.integer(key, 0, kAny)) value = static_cast<uint64_t>(*found);
  };
  take("memoryBytes", limits.memory_bytes);
  take("memorySwapBytes", limits.memory_swap_bytes);
  take("memoryReservationBytes", limits.memory_reservation_bytes);
  take("cpuShares", limits.cpu_shares);
  take("pids", limits.pids);
  take("cpuPeriod", limits.cpu_period_microseconds);
  take("ioWeight", limits.io_weight);
  limits.throttles = read_throttles(fields);
  if (const auto* cpus = fields.find("cpus"); cpus != nullptr && cpus->is_number())
    limits.cpus = cpus->get<double>();
  limits.cpuset_cpus = fields.text("cpusetCpus");
  limits.cpuset_memories = fields.text("cpusetMems");
  return limits;
}

Json health_json(const oci::Healthcheck& check) {
  return {{"test", check.test},
          {"interval", check.interval.count()},
          {"timeout", check.timeout.count()},
          {"startPeriod", check.start_period.count()},
          {"startInterval", check.start_interval.count()},
          {"retries", check.retries}};
}

std::optional<oci::Healthcheck> read_health(const nlohmann::json* object) {
  if (object == nullptr) return std::nullopt;
  Fields fields(*object, "healthcheck");
  auto duration = [&](const char* key) {
    return std::chrono::nanoseconds(fields.integer(key, 0, kAny).value_or(0));
  };
  return oci::Healthcheck{.test = fields.texts("test"),
                          .interval = duration("interval"),
                          .timeout = duration("timeout"),
                          .start_period = duration("startPeriod"),
                          .start_interval = duration("startInterval"),
                          .retries = fields.integer("retries", 0, kAny).value_or(0)};
}

Json lists_json(const Config& config) {
  Json out = {{"mounts", Json::array()},
              {"devices", Json::array()},
              {"ulimits", Json::array()},
              {"sysctls", Json::array()},
              {"layers", Json::array()}};
  for (const MountConfig& mount : config.mounts) out["mounts"].push_back(mount_json(mount));
  for (const DeviceConfig& device : config.devices)
    out["devices"].push_back(
        {{"source", device.source}, {"target", device.target}, {"access", device.access}});
  for (const launch::Ulimit& limit : config.ulimits)
    out["ulimits"].push_back({{"resource", limit.resource},
                              {"soft", std::to_string(limit.soft)},
                              {"hard", std::to_string(limit.hard)}});
  for (const auto& [name, value] : config.sysctls)
    out["sysctls"].push_back({{"name", name}, {"value", value}});
  for (const oci::DiffId& layer : config.layers) out["layers"].push_back(layer.str());
  return out;
}

Json process_json(const Config& config) {
  Json out = {{"entrypoint", config.entrypoint},
              {"arguments", config.arguments},
              {"env", config.env},
              {"cwd", config.cwd},
              {"user", config.user},
              {"groups", config.groups},
              {"tty", config.tty},
              {"interactive", config.interactive},
              {"init", config.init},
              {"initPath", config.init_path},
              {"systemd", config.systemd},
              {"passwdEntry", config.passwd_entry},
              {"groupEntry", config.group_entry},
              {"capabilities", std::to_string(config.capabilities)},
              {"noNewPrivileges", config.no_new_privileges},
              {"seccomp", config.seccomp}};
  put(out, "umask", config.umask);
  put(out, "oomScoreAdj", config.oom_score_adj);
  return out;
}

void read_process(const Fields& fields, Config& config) {
  config.entrypoint = fields.texts("entrypoint");
  config.arguments = fields.texts("arguments");
  config.env = fields.texts("env");
  config.cwd = fields.text("cwd");
  config.user = fields.text("user");
  config.groups = fields.texts("groups");
  config.tty = fields.flag("tty");
  config.interactive = fields.flag("interactive");
  config.init = fields.flag("init");
  config.init_path = fields.text("initPath");
  config.systemd = fields.flag("systemd");
  config.passwd_entry = fields.text("passwdEntry");
  config.group_entry = fields.text("groupEntry");
  config.capabilities = base::parse_decimal(fields.text("capabilities")).value_or(0);
  config.no_new_privileges = fields.flag("noNewPrivileges");
  config.seccomp = fields.text("seccomp");
  if (auto umask = fields.integer("umask", 0, 0777)) config.umask = static_cast<uint32_t>(*umask);
  if (auto score = fields.integer("oomScoreAdj", -1000, 1000))
    config.oom_score_adj = static_cast<int>(*score);
}

void read_lists(const Fields& fields, Config& config) {
  auto each = [&](const char* key, auto&& take) {
    if (const nlohmann::json* list = fields.array(key))
      for (const nlohmann::json& item : *list) take(item);
  };
  each("mounts", [&](const auto& item) { config.mounts.push_back(read_mount(item)); });
  each("devices", [&](const auto& item) {
    Fields device(item, "device");
    config.devices.push_back({device.text("source"), device.text("target"), device.text("access")});
  });
  each("ulimits", [&](const auto& item) {
    Fields limit(item, "ulimit");
    config.ulimits.push_back({static_cast<int>(number(limit, "resource")),
                              base::parse_decimal(limit.text("soft")).value_or(0),
                              base::parse_decimal(limit.text("hard")).value_or(0)});
  });
  each("sysctls", [&](const auto& item) {
    Fields sysctl(item, "sysctl");
    config.sysctls.emplace_back(sysctl.text("name"), sysctl.text("value"));
  });
  config.layers = read_layers(fields, "layers");
}

}  // namespace

std::optional<RestartPolicy> RestartPolicy::parse(std::string_view text) {
  if (text == "no" || text.empty()) return RestartPolicy{};
  if (text == "always") return RestartPolicy{Restart::kAlways, 0};
  if (text == "unless-stopped") return RestartPolicy{Restart::kUnlessStopped, 0};
  constexpr std::string_view kOnFailure = "on-failure";
  if (text == kOnFailure) return RestartPolicy{Restart::kOnFailure, 0};
  if (!text.starts_with(kOnFailure) || text[kOnFailure.size()] != ':') return std::nullopt;
  const auto most = base::parse_decimal(text.substr(kOnFailure.size() + 1));
  if (!most) return std::nullopt;
  return RestartPolicy{Restart::kOnFailure, *most};
}

std::string RestartPolicy::str() const {
  switch (kind) {
    case Restart::kNo:
      return "no";
    case Restart::kAlways:
      return "always";
    case Restart::kUnlessStopped:
      return "unless-stopped";
    case Restart::kOnFailure:
      return most == 0 ? "on-failure" : base::str("on-failure:", most);
  }
  return "no";
}

bool RestartPolicy::wants_another(int exit_code, uint64_t restarts) const {
  if (kind == Restart::kOnFailure) return exit_code != 0 && (most == 0 || restarts < most);
  return kind != Restart::kNo;
}

std::string Config::to_json() const {
  Json out = {{"version", 1},
              {"id", id},
              {"name", name},
              {"created", oci::format_timestamp(created)},
              {"image", image},
              {"imageId", image_id},
              {"rootfs", rootfs},
              {"rootfsOverlay", rootfs_overlay},
              {"process", process_json(*this)},
              {"hostname", hostname},
              {"domainname", domainname},
              {"labels", labels},
              {"annotations", annotations},
              {"readOnly", read_only},
              {"shmBytes", shm_bytes},
              {"networkMode", network_mode},
              {"network", request_json(network)},
              {"furtherNetworks", Json::array()},
              {"noHosts", no_hosts},
              {"noHostname", no_hostname},
              {"ports", ports},
              {"pid", pid_mode},
              {"ipc", ipc_mode},
              {"uts", uts_mode},
              {"hostCgroup", host_cgroup},
              {"userns", userns},
              {"uidMap", map_json(id_maps.uids)},
              {"gidMap", map_json(id_maps.gids)},
              {"privileged", privileged},
              {"mask", mask},
              {"unmask", unmask},
              {"limits", limits_json(limits)},
              {"stopSignal", stop_signal},
              {"timeoutSeconds", timeout_seconds},
              {"restart", restart.str()},
              {"log",
               {{"driver", log.driver},
                {"maxBytes", log.max_bytes},
                {"files", log.files},
                {"tag", log.tag}}},
              {"autoRemove", auto_remove},
              {"pidFile", pid_file},
              {"healthOnFailure", health_on_failure},
              {"runtime", runtime},
              {"sdnotify", sdnotify}};
  put(out, "stopTimeoutSeconds", stop_timeout_seconds);
  if (healthcheck) out["healthcheck"] = health_json(*healthcheck);
  for (const network::Request& more : further_networks)
    out["furtherNetworks"].push_back(request_json(more));
  out.update(lists_json(*this));
  const Json names = out["labels"], notes = out["annotations"];
  drop_empty(out);
  // Values of the user's are as they are.
  if (!names.empty()) out["labels"] = names;
  if (!notes.empty()) out["annotations"] = notes;
  return oci::dump_json(out);
}

Config Config::parse(std::string_view json) {
  const nlohmann::json document = oci::parse_strict_json(json, "container configuration");
  Fields fields(document, "container configuration");
  if (fields.integer("version", 1, kAny).value_or(0) != 1)
    throw base::Error(base::Code::kUnsupported,
                      "the container's configuration is of another version of torte",
                      "container-version");
  Config config;
  config.id = fields.required_text("id");
  config.name = fields.required_text("name");
  config.created = oci::parse_timestamp(fields.text("created")).value_or(Time{});
  config.image = fields.text("image");
  config.image_id = fields.text("imageId");
  config.rootfs = fields.text("rootfs");
  config.rootfs_overlay = fields.flag("rootfsOverlay");
  const nlohmann::json* process = fields.find("process");
  if (process == nullptr) fields.fail("process", "is missing");
  read_process(Fields(*process, "process"), config);
  config.hostname = fields.text("hostname");
  config.domainname = fields.text("domainname");
  config.labels = fields.text_map("labels");
  config.annotations = fields.text_map("annotations");
  config.read_only = fields.flag("readOnly");
  config.shm_bytes = number(fields, "shmBytes");
  config.network_mode = fields.text("networkMode");
  const nlohmann::json* network = fields.find("network");
  if (network == nullptr) fields.fail("network", "is missing");
  config.network = read_request(*network);
  if (const nlohmann::json* more = fields.array("furtherNetworks"))
    for (const nlohmann::json& one : *more) config.further_networks.push_back(read_request(one));
  config.no_hosts = fields.flag("noHosts");
  config.no_hostname = fields.flag("noHostname");
  config.ports = fields.texts("ports");
  config.pid_mode = fields.text("pid");
  config.ipc_mode = fields.text("ipc");
  config.uts_mode = fields.text("uts");
  config.host_cgroup = fields.flag("hostCgroup");
  config.userns = fields.text("userns");
  config.id_maps = {read_map(fields, "uidMap"), read_map(fields, "gidMap")};
  config.privileged = fields.flag("privileged");
  config.mask = fields.texts("mask");
  config.unmask = fields.texts("unmask");
  config.limits = read_limits(fields.find("limits"));
  config.stop_signal = fields.text("stopSignal");
  if (auto seconds = fields.integer("stopTimeoutSeconds", 0, kAny))
    config.stop_timeout_seconds = static_cast<uint64_t>(*seconds);
  config.timeout_seconds = number(fields, "timeoutSeconds");
  config.restart = RestartPolicy::parse(fields.text("restart")).value_or(RestartPolicy{});
  if (const nlohmann::json* log = fields.find("log")) {
    Fields entries(*log, "log");
    config.log = {entries.text("driver"), number(entries, "maxBytes"), number(entries, "files"),
                  entries.text("tag")};
  }
  config.auto_remove = fields.flag("autoRemove");
  config.pid_file = fields.text("pidFile");
  config.healthcheck = read_health(fields.find("healthcheck"));
  config.health_on_failure = fields.text("healthOnFailure");
  config.runtime = fields.text("runtime");
  config.sdnotify = fields.text("sdnotify");
  read_lists(fields, config);
  return config;
}

std::vector<std::string> networks_of(const Config& config) {
  std::vector<std::string> names;
  const std::string first = network::network_name(config.network);
  if (!first.empty() && !config.network_mode.starts_with("container:")) names.push_back(first);
  for (const network::Request& more : config.further_networks)
    names.push_back(network::network_name(more));
  return names;
}

std::optional<int> parse_signal(std::string_view text) {
  if (const auto number = base::parse_decimal(text))
    return *number > 0 && *number <= static_cast<uint64_t>(SIGRTMAX)
               ? std::optional<int>(static_cast<int>(*number))
               : std::nullopt;
  std::string name = base::to_upper(text);
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int signal = 1; signal < SIGRTMIN; ++signal)
    if (const char* known = sigabbrev_np(signal); known != nullptr && name == known) return signal;
  for (const auto& [prefix, from, sign] :
       {std::tuple("RTMIN", SIGRTMIN, 1), std::tuple("RTMAX", SIGRTMAX, -1)}) {
    if (!name.starts_with(prefix)) continue;
    const std::string rest = name.substr(strlen(prefix));
    if (rest.empty()) return from;
    const auto offset = base::parse_decimal(rest.substr(1));
    if (rest[0] != (sign > 0 ? '+' : '-') || !offset || *offset > 64) return std::nullopt;
    const int signal = from + sign * static_cast<int>(*offset);
    if (signal >= SIGRTMIN && signal <= SIGRTMAX) return signal;
  }
  return std::nullopt;
}

}  // namespace container
