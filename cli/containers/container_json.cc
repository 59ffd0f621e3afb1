#include "cli/containers/container_json.h"

#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "base/text.h"
#include "runner/container/volumes.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::json;
using container::Status;

std::string time_text(container::Time time) {
  return time == container::Time{} ? "0001-01-01T00:00:00Z" : oci::format_timestamp(time);
}

/// Rows of /proc/PID/uid_map: what the ids inside are outside.
Json id_map(pid_t pid, const char* file) {
  Json rows = Json::array();
  if (pid <= 0) return rows;
  constexpr uint64_t kLimit = 1 << 20;
  const std::string text =
      sys::find_user_file(base::str("/proc/", pid, "/", file), kLimit).value_or("");
  for (const std::string& line : base::split(base::trim(text), '\n')) {
    std::vector<std::string> numbers;
    for (const std::string& word : base::split(line, ' '))
      if (!word.empty()) numbers.push_back(word);
    if (numbers.size() == 3)
      rows.push_back({{"containerId", *base::parse_decimal(numbers[0])},
                      {"hostId", *base::parse_decimal(numbers[1])},
                      {"size", *base::parse_decimal(numbers[2])}});
  }
  return rows;
}

Json state_json(const container::State& state) {
  Json out = {{"status", container::name_of(state.status)},
              {"running", state.status == Status::kRunning || state.status == Status::kPaused},
              {"paused", state.status == Status::kPaused},
              {"restarting", state.status == Status::kRestarting},
              {"oomKilled", state.memory_killed},
              {"pid", state.pid},
              {"monitorPid", state.monitor},
              {"exitCode", state.exit_code},
              {"error", state.error},
              {"startedAt", time_text(state.started)},
              {"finishedAt", time_text(state.finished)},
              {"cgroups", state.cgroups}};
  if (state.health == container::Health::kNone) return out;
  Json log = Json::array();
  for (const container::Probe& probe : state.probes)
    log.push_back({{"start", time_text(probe.start)},
                   {"end", time_text(probe.end)},
                   {"exitCode", probe.exit_code},
                   {"output", probe.output}});
  out["health"] = {{"status", container::name_of(state.health)},
                   {"failingStreak", state.failing_streak},
                   {"log", std::move(log)}};
  return out;
}

Json mounts_json(const container::Containers& containers, const container::Config& config) {
  static constexpr const char* kTypes[] = {"bind", "volume", "tmpfs", "image", "devpts"};
  static constexpr const char* kPropagations[] = {"rprivate", "rslave", "rshared"};
  Json out = Json::array();
  for (const container::MountConfig& mount : config.mounts) {
    Json item = {{"type", kTypes[static_cast<int>(mount.type)]},
                 {"source", mount.source},
                 {"destination", mount.target},
                 {"rw", !mount.read_only},
                 {"propagation", kPropagations[static_cast<int>(mount.propagation)]},
                 {"overlay", mount.overlay}};
    if (mount.type == container::MountConfig::Type::kVolume) {
      item["name"] = mount.source;
      item["source"] = container::volume_data(containers.layout(), mount.source).string();
      item["anonymous"] = mount.anonymous;
    }
    out.push_back(std::move(item));
  }
  return out;
}

Json membership_json(const network::Membership& one) {
  return {{"interface", one.interface},
          {"ipAddress", one.address.substr(0, one.address.find('/'))},
          {"address", one.address},
          {"gateway", one.gateway},
          {"globalIPv6Address", one.address6.substr(0, one.address6.find('/'))},
          {"address6", one.address6},
          {"ipv6Gateway", one.gateway6},
          {"macAddress", one.mac},
          {"aliases", one.aliases}};
}

/// By name: where it is now, or nothing where it will be. A forwarder's is known by the container
/// alone.
Json networks_json(const container::Record& record) {
  Json out = Json::object();
  for (const std::string& name : container::networks_of(record.config))
    out[name] = membership_json({name,
                                 record.state.interface,
                                 record.state.address,
                                 record.state.gateway,
                                 record.state.mac,
                                 {},
                                 {},
                                 {}});
  for (const network::Membership& one : record.state.networks)
    out[one.network] = membership_json(one);
  return out;
}

template <typename Number>
Json number_or_zero(const std::optional<Number>& value) {
  return value ? Json(*value) : Json(0);
}

Json host_json(const container::Config& config) {
  const launch::Limits& limits = config.limits;
  return {{"networkMode", config.network_mode},
          {"pidMode", config.pid_mode},
          {"ipcMode", config.ipc_mode},
          {"utsMode", config.uts_mode},
          {"usernsMode", config.userns},
          {"cgroupnsMode", config.host_cgroup ? "host" : "private"},
          {"privileged", config.privileged},
          {"readonlyRootfs", config.read_only},
          {"autoRemove", config.auto_remove},
          {"init", config.init},
          {"restartPolicy",
           {{"name", config.restart.kind == container::Restart::kOnFailure ? "on-failure"
                                                                           : config.restart.str()},
            {"maximumRetryCount", config.restart.most}}},
          {"logConfig", {{"type", config.log.driver}}},
          {"memory", number_or_zero(limits.memory_bytes)},
          {"memorySwap", number_or_zero(limits.memory_swap_bytes)},
          {"memoryReservation", number_or_zero(limits.memory_reservation_bytes)},
          {"nanoCpus", limits.cpus ? static_cast<int64_t>(*limits.cpus * 1e9) : 0},
          {"cpuShares", number_or_zero(limits.cpu_shares)},
          {"cpusetCpus", limits.cpuset_cpus},
          {"pidsLimit", limits.pids.value_or(2048)},
          {"shmSize", config.shm_bytes}};
}

}  // namespace

Json container_json(const container::Containers& containers, const container::Record& record) {
  const container::Config& config = record.config;
  const container::State& state = record.state;
  std::vector<std::string> command = config.entrypoint;
  command.insert(command.end(), config.arguments.begin(), config.arguments.end());
  const std::string path = command.empty() ? "" : command.front();
  if (!command.empty()) command.erase(command.begin());
  const container::Home home = containers.home(config.id);
  const network::Membership first =
      state.networks.empty() ? network::Membership() : state.networks.front();
  return {{"id", config.id},
          {"name", config.name},
          {"created", oci::format_timestamp(config.created)},
          {"path", path},
          {"args", command},
          {"state", state_json(state)},
          {"image", config.image_id},
          {"imageName", config.image},
          {"rootfs", config.rootfs},
          {"restartCount", state.restarts},
          {"logPath", home.log().string()},
          {"layers", {{"upper", home.upper().string()}, {"init", home.init().string()}}},
          {"uidMap", id_map(state.pid, "uid_map")},
          {"gidMap", id_map(state.pid, "gid_map")},
          {"mounts", mounts_json(containers, config)},
          {"hostConfig", host_json(config)},
          {"config",
           {{"hostname", config.hostname},
            {"domainname", config.domainname},
            {"user", config.user},
            {"env", config.env},
            {"entrypoint", config.entrypoint},
            {"cmd", config.arguments},
            {"workingDir", config.cwd},
            {"tty", config.tty},
            {"openStdin", config.interactive},
            {"labels", config.labels},
            {"annotations", config.annotations},
            {"stopSignal", config.stop_signal.empty() ? "TERM" : config.stop_signal},
            {"exposedPorts", config.ports}}},
          {"networkSettings",
           {{"ipAddress", state.address.substr(0, state.address.find('/'))},
            {"address", state.address},
            {"gateway", state.gateway},
            {"globalIPv6Address", first.address6.substr(0, first.address6.find('/'))},
            {"ipv6Gateway", first.gateway6},
            {"macAddress", state.mac},
            {"interface", state.interface},
            {"networks", networks_json(record)},
            {"ports", state.ports}}}};
}

}  // namespace cli
