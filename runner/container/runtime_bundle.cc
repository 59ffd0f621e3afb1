#include "runner/container/runtime_bundle.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "overlay/copy_tree.h"
#include "runner/container/ids.h"
#include "runner/container/prepare.h"
#include "runner/container/volumes.h"
#include "runner/launch/sandbox_table.h"
#include "runner/launch/seccomp_profile.h"
#include "runner/network/names.h"
#include "store/oci/json_fields.h"

namespace container {

namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void refuse(const std::string& what) {
  throw base::Error(base::Code::kUnsupported, what + " cannot be said in a bundle",
                    "not-in-bundle");
}

constexpr const char* kFiles[] = {"hosts", "hostname", "resolv.conf"};

const char* limit_name(int resource) {
  static const std::map<int, const char*> kNames = {
      {RLIMIT_CORE, "RLIMIT_CORE"},         {RLIMIT_CPU, "RLIMIT_CPU"},
      {RLIMIT_DATA, "RLIMIT_DATA"},         {RLIMIT_FSIZE, "RLIMIT_FSIZE"},
      {RLIMIT_LOCKS, "RLIMIT_LOCKS"},       {RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
      {RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"}, {RLIMIT_NICE, "RLIMIT_NICE"},
      {RLIMIT_NOFILE, "RLIMIT_NOFILE"},     {RLIMIT_NPROC, "RLIMIT_NPROC"},
      {RLIMIT_RSS, "RLIMIT_RSS"},           {RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
      {RLIMIT_RTTIME, "RLIMIT_RTTIME"},     {RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
      {RLIMIT_STACK, "RLIMIT_STACK"},       {RLIMIT_AS, "RLIMIT_AS"}};
  const auto found = kNames.find(resource);
  return found == kNames.end() ? nullptr : found->second;
}

/// One bundle's configuration being written.
class Writer {
 public:
  Writer(const store::Layout& layout, const Config& config, launch::Spec process,
         const BundlePlace& place)
      : layout_(layout),
        config_(config),
        place_(place),
        spec_(std::move(process)),
        is_user_(sys::userns_mode() != sys::UsernsMode::kNone) {
    if (config.privileged) spec_.capabilities = launch::all_capabilities();
    if (has_own_ids(config)) refuse("--userns and id maps");
    if (config.systemd) refuse("what systemd needs (--systemd)");
    if (!config.init_path.empty()) refuse("--init=PATH");
    if (!config.passwd_entry.empty() || !config.group_entry.empty())
      refuse("--passwd-entry and --group-entry");
  }

  std::string text() {
    Json out = {{"ociVersion", "1.0.2"},
                {"process", process()},
                {"root", {{"path", "rootfs"}, {"readonly", config_.read_only}}},
                {"hostname", config_.hostname},
                {"mounts", mounts()},
                {"annotations", config_.annotations},
                {"linux", linux_part()}};
    if (!config_.domainname.empty()) out["domainname"] = config_.domainname;
    if (config_.uts_mode == "host") out.erase("hostname");
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }

 private:
  Json process() const {
    std::vector<std::string> command = config_.entrypoint;
    command.insert(command.end(), config_.arguments.begin(), config_.arguments.end());
    const std::vector<std::string> rights = launch::capability_names(spec_.capabilities);
    const bool is_root = spec_.identity.uid == 0;
    Json user = {{"uid", spec_.identity.uid},
                 {"gid", spec_.identity.gid},
                 {"umask", config_.umask.value_or(022)}};
    // The primary group goes without saying, and runc lets ordinary users add none.
    std::vector<gid_t> groups = spec_.identity.groups;
    if (!sys::in_initial_user_namespace()) std::erase(groups, spec_.identity.gid);
    if (!groups.empty() && sys::userns_mode() != sys::UsernsMode::kSingle)
      user["additionalGids"] = groups;
    Json out = {{"terminal", config_.tty},
                {"user", user},
                {"args", command},
                {"env", spec_.env},
                {"cwd", config_.cwd},
                {"capabilities",
                 {{"bounding", rights},
                  {"permitted", is_root ? rights : std::vector<std::string>()},
                  {"effective", is_root ? rights : std::vector<std::string>()}}},
                {"rlimits", Json::array()},
                {"noNewPrivileges", config_.no_new_privileges}};
    if (config_.oom_score_adj) out["oomScoreAdj"] = *config_.oom_score_adj;
    for (const launch::Ulimit& limit : config_.ulimits)
      if (const char* name = limit_name(limit.resource))
        out["rlimits"].push_back({{"type", name}, {"hard", limit.hard}, {"soft", limit.soft}});
    return out;
  }

  static Json mount(const std::string& target, const char* type, const std::string& source,
                    std::vector<std::string> options) {
    return {{"destination", target},
            {"type", type},
            {"source", source},
            {"options", std::move(options)}};
  }

  Json mounts() const {
    std::vector<std::string> pts = {"nosuid", "noexec", "newinstance", "ptmxmode=0666",
                                    "mode=0620"};
    if (sys::userns_mode() != sys::UsernsMode::kSingle) pts.emplace_back("gid=5");
    const char* writable = config_.privileged ? "rw" : "ro";
    Json out = {
        mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
        mount("/dev", "tmpfs", "tmpfs",
              {"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}),
        mount("/dev/pts", "devpts", "devpts", pts),
        mount("/dev/shm", "tmpfs", "shm",
              {"nosuid", "noexec", "nodev", "mode=1777", base::str("size=", config_.shm_bytes)})};
    if (config_.ipc_mode != "host")
      out.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
    if (is_user_ && place_.network_host)
      out.push_back(mount("/sys", "bind", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
    else
      out.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", writable}));
    out.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup",
                        {"nosuid", "noexec", "nodev", "relatime", writable}));
    for (const char* name : kFiles)
      if (!is_left_to_image(name))
        out.push_back(mount(std::string("/etc/") + name, "bind", file(name),
                            {"bind", "ro", "nosuid", "nodev", "noexec", "private"}));
    for (const MountConfig& asked : config_.mounts) out.push_back(user_mount(asked));
    return out;
  }

  bool is_left_to_image(std::string_view name) const {
    return (name == "hosts" && config_.no_hosts) || (name == "hostname" && config_.no_hostname);
  }

  std::filesystem::path file(std::string_view name) const {
    if (name == "hosts" && !place_.hosts_file.empty()) return place_.hosts_file;
    return place_.directory / "files" / name;
  }

  Json user_mount(const MountConfig& asked) const {
    std::vector<std::string> options = {asked.read_only ? "ro" : "rw", "nodev"};
    if (!asked.executable) options.emplace_back("noexec");
    if (asked.propagation != sys::Propagation::kPrivate)
      refuse("mounts that show elsewhere (" + asked.target + ")");
    if (asked.type == MountConfig::Type::kDevpts) refuse("terminals at " + asked.target);
    if (asked.type == MountConfig::Type::kTmpfs) {
      char mode[16];
      snprintf(mode, sizeof mode, "mode=%o", asked.mode & 07777);
      options.insert(options.end(), {"nosuid", mode});
      if (asked.size_bytes > 0) options.push_back(base::str("size=", asked.size_bytes));
      return mount(asked.target, "tmpfs", "tmpfs", options);
    }
    if (asked.type == MountConfig::Type::kImage) refuse("the mount of an image at " + asked.target);
    if (asked.overlay)
      refuse("a directory whose changes stay in the container (" + asked.target + ")");
    const bool volume = asked.type == MountConfig::Type::kVolume;
    std::string source = volume ? volume_data(layout_, asked.source).string() : asked.source;
    if (!asked.subpath.empty()) refuse("a part of a directory (" + asked.target + ")");
    options.insert(options.end(), {asked.recursive && !volume ? "rbind" : "bind", "rprivate"});
    return mount(asked.target, "bind", source, options);
  }

  Json namespaces() const {
    Json out = Json::array();
    out.push_back({{"type", "mount"}});
    if (!config_.host_cgroup) out.push_back({{"type", "cgroup"}});
    auto add = [&](const char* type, const std::string& mode) {
      if (mode == "host") return;
      constexpr std::string_view kPath = "ns:";
      if (!joined_container(mode).empty()) refuse("a namespace of another container by name");
      Json entry = {{"type", type}};
      if (mode.starts_with(kPath)) entry["path"] = mode.substr(kPath.size());
      out.push_back(std::move(entry));
    };
    add("pid", config_.pid_mode);
    add("ipc", config_.ipc_mode);
    add("uts", config_.uts_mode);
    if (!place_.network_namespace.empty())
      add("network", "ns:" + place_.network_namespace);
    else
      add("network", place_.network_host ? "host" : config_.network_mode);
    if (is_user_ && place_.makes_user_namespace) out.push_back({{"type", "user"}});
    return out;
  }

  /// The map of the namespace torte works in is what the runtime has to make for itself.
  static Json id_mappings(const char* file) {
    Json out = Json::array();
    constexpr uint64_t kMost = 1 << 20;
    for (const std::string& line :
         base::split(sys::find_user_file(file, kMost).value_or(""), '\n')) {
      std::vector<uint64_t> row;
      for (const std::string& word : base::split(line, ' '))
        if (!word.empty()) row.push_back(base::parse_decimal(word).value_or(0));
      if (row.size() == 3)
        out.push_back({{"containerID", row[0]}, {"hostID", row[1]}, {"size", row[2]}});
    }
    return out;
  }

  Json resources() const {
    const launch::Limits& limits = config_.limits;
    Json out = Json::object();
    if (!is_user_ || limits.pids) {
      constexpr uint64_t kUsualPids = 2048;
      const uint64_t pids = limits.pids.value_or(kUsualPids);
      if (pids > 0) out["pids"]["limit"] = pids;
    }
    if (limits.memory_bytes) out["memory"]["limit"] = *limits.memory_bytes;
    if (limits.memory_swap_bytes) out["memory"]["swap"] = *limits.memory_swap_bytes;
    if (limits.memory_reservation_bytes)
      out["memory"]["reservation"] = *limits.memory_reservation_bytes;
    if (limits.cpus) {
      const uint64_t period = limits.cpu_period_microseconds.value_or(100000);
      out["cpu"]["period"] = period;
      out["cpu"]["quota"] = static_cast<int64_t>(*limits.cpus * static_cast<double>(period));
    }
    if (limits.cpu_shares) out["cpu"]["shares"] = *limits.cpu_shares;
    if (!limits.cpuset_cpus.empty()) out["cpu"]["cpus"] = limits.cpuset_cpus;
    if (!limits.cpuset_memories.empty()) out["cpu"]["mems"] = limits.cpuset_memories;
    if (limits.io_weight) out["blockIO"]["weight"] = *limits.io_weight;
    for (const launch::Throttle& throttle : limits.throttles) {
      static constexpr const char* kKeys[] = {"throttleReadBpsDevice", "throttleWriteBpsDevice",
                                              "throttleReadIOPSDevice", "throttleWriteIOPSDevice"};
      out["blockIO"][kKeys[static_cast<int>(throttle.kind)]].push_back(
          {{"major", throttle.major}, {"minor", throttle.minor}, {"rate", throttle.rate}});
    }
    if (!is_user_) {
      out["devices"] = Json::array();
      out["devices"].push_back({{"allow", config_.privileged}, {"access", "rwm"}});
      for (const DeviceConfig& device : config_.devices) {
        const auto [type, status] = look_at(device);
        out["devices"].push_back({{"allow", true},
                                  {"type", type},
                                  {"major", major(status.st_rdev)},
                                  {"minor", minor(status.st_rdev)},
                                  {"access", device.access}});
      }
    }
    return out;
  }

  static std::pair<std::string, struct stat> look_at(const DeviceConfig& device) {
    struct stat status;
    if (::stat(device.source.c_str(), &status) < 0) base::throw_errno("--device " + device.source);
    if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))
      refuse("the device " + base::printable(device.source) + ", which is none,");
    return {S_ISBLK(status.st_mode) ? "b" : "c", status};
  }

  Json devices() const {
    Json out = Json::array();
    for (const DeviceConfig& device : config_.devices) {
      const auto [type, status] = look_at(device);
      out.push_back({{"path", device.target},
                     {"type", type},
                     {"major", major(status.st_rdev)},
                     {"minor", minor(status.st_rdev)},
                     {"fileMode", status.st_mode & 0777},
                     {"uid", 0},
                     {"gid", 0}});
    }
    return out;
  }

  Json linux_part() const {
    Json out = {{"namespaces", namespaces()}, {"resources", resources()}, {"devices", devices()}};
    if (is_user_ && place_.makes_user_namespace) {
      out["uidMappings"] = id_mappings("/proc/self/uid_map");
      out["gidMappings"] = id_mappings("/proc/self/gid_map");
    }
    for (const auto& [name, value] : config_.sysctls) out["sysctl"][name] = value;
    if (config_.privileged) return out;
    out["maskedPaths"] = config_.mask;
    out["readonlyPaths"] = Json::array();
    auto shown = [&](std::string_view path) {
      for (const std::string& known : config_.unmask)
        if (known == path || known == "ALL") return true;
      return false;
    };
    for (const launch::Hidden& hidden : launch::kMasked)
      if (!shown(hidden.path)) out["maskedPaths"].push_back(hidden.path);
    for (const char* path : launch::kReadOnly)
      if (!shown(path)) out["readonlyPaths"].push_back(path);
    if (config_.seccomp != "unconfined")
      out["seccomp"] = Json::parse(launch::runtime_seccomp(
          config_.seccomp.empty() ? launch::default_seccomp_profile(spec_.capabilities)
                                  : config_.seccomp,
          spec_.capabilities));
    return out;
  }

  const store::Layout& layout_;
  const Config& config_;
  const BundlePlace& place_;
  launch::Spec spec_;
  bool is_user_;
};

void write_text(const std::filesystem::path& path, const std::string& text) {
  sys::write_file_durably(path, text, 0644);
}

}  // namespace

std::string runtime_config(const store::Layout& layout, const Config& config, const sys::Root& root,
                           const BundlePlace& place) {
  return runtime_config(layout, config, exec_spec(config, root, config.user), place);
}

std::string runtime_config(const store::Layout& layout, const Config& config, launch::Spec process,
                           const BundlePlace& place) {
  return Writer(layout, config, std::move(process), place).text();
}

void write_bundle(const Containers& containers, const Config& config, const sys::Root& root,
                  const std::filesystem::path& directory) {
  BundlePlace place;
  place.directory = directory;
  place.network_host = config.network_mode == "host";
  const std::string text = runtime_config(containers.layout(), config, root, place);
  if (::mkdir(directory.c_str(), 0700) < 0)
    base::throw_errno("create " + base::printable(directory.string()));
  sys::make_directories(directory / "rootfs", 0755);
  sys::make_directories(directory / "files", 0755);
  const sys::Root rootfs = sys::Root::open(directory / "rootfs");
  struct stat like;
  if (::fstat(root.fd(), &like) < 0) base::throw_errno("stat the container's root");
  if (::fchownat(rootfs.fd(), "", like.st_uid, like.st_gid, AT_EMPTY_PATH) < 0 ||
      ::chmod((directory / "rootfs").c_str(), like.st_mode & 07777) < 0)
    base::throw_errno("set owner of the bundle's root");
  overlay::copy_tree(root, rootfs);
  network::Request request = config.network;
  request.hostname = config.hostname;
  network::Surroundings around;
  around.own_namespace = config.network_mode != "host";
  if (!around.own_namespace) around.host_address = "127.0.0.1";
  write_text(directory / "files/hosts", network::hosts_text(request, around));
  write_text(directory / "files/resolv.conf", network::resolv_text(request, around));
  write_text(directory / "files/hostname", config.hostname + "\n");
  write_text(directory / "config.json", text);
}

}  // namespace container
