#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/sys/userns.h"
#include "runner/launch/launch.h"
#include "runner/network/network.h"
#include "store/oci/image_config.h"

namespace container {

using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

/// Something attached below the root, as it was asked for; opened anew at every start.
struct MountConfig {
  enum class Type { kBind, kVolume, kTmpfs, kImage, kDevpts };
  Type type = Type::kBind;
  std::string source;   ///< kBind: absolute path on the host; kVolume: name; kImage: image id
  std::string subpath;  ///< of the source, resolved inside it; empty: all of it
  std::string target;   ///< absolute
  bool read_only = false;
  bool executable = true;
  bool recursive = true;   ///< kBind: with the mounts below it
  bool overlay = false;    ///< kBind, kVolume: writes go to a layer of the container
  bool anonymous = false;  ///< kVolume: goes with the container
  bool map_ids = false;    ///< kBind: shown with the container's own ids
  bool chown = false;      ///< kBind, kVolume: given to the container's user at every start
  bool copy = true;        ///< kVolume: an empty one takes what the image has at the target
  sys::Propagation propagation = sys::Propagation::kPrivate;  ///< kBind
  uint32_t mode = 0755;                                       ///< kTmpfs, kDevpts
  uint32_t uid = 0, gid = 0;                                  ///< kDevpts
  uint64_t most = 0;                ///< kDevpts: so many terminals; 0: the kernel's default
  uint64_t size_bytes = 0;          ///< kTmpfs; 0: the kernel's default
  std::vector<oci::DiffId> layers;  ///< kImage
};

struct DeviceConfig {
  std::string source;
  std::string target;
  std::string access = "rwm";
};

enum class Restart { kNo, kOnFailure, kAlways, kUnlessStopped };
struct RestartPolicy {
  Restart kind = Restart::kNo;
  uint64_t most = 0;  ///< kOnFailure: so many times; 0 is without end
  /// "no", "on-failure", "on-failure:3", "always", "unless-stopped"; nullopt for anything else.
  static std::optional<RestartPolicy> parse(std::string_view text);
  std::string str() const;
  /// Whether a container that ended so, after so many restarts, is started again.
  bool wants_another(int exit_code, uint64_t restarts) const;
};

struct LogConfig {
  std::string driver = "json-file";  ///< "k8s-file", "journald", "passthrough", or "none"
  uint64_t max_bytes = 0;            ///< a log file is put aside at this size; 0: never
  uint64_t files = 1;                ///< so many are kept, the current one included
  std::string tag;                   ///< journald: what its lines are marked with
};

/// What a container is: everything that was asked for when it was made, and nothing that changes by
/// running it. Kept as containers/ID/config.json. A value. Times are UTC.
struct Config {
  std::string id;    ///< 64 hex digits
  std::string name;  ///< letters, digits, _ . -
  Time created = {};

  std::string image;     ///< as the user named it; empty with `rootfs`
  std::string image_id;  ///< digest of the image's configuration
  std::vector<oci::DiffId> layers;
  std::string rootfs;           ///< a directory of the host instead of an image
  bool rootfs_overlay = false;  ///< which stays as it is

  std::vector<std::string> entrypoint;
  std::vector<std::string> arguments;  ///< after the entry point
  std::vector<std::string>
      env;  ///< as asked for and from the image; HOME and the like are added at start
  std::string cwd = "/";
  std::string user;
  std::vector<std::string> groups;  ///< --group-add
  std::optional<uint32_t> umask;
  std::optional<int> oom_score_adj;
  std::string hostname;
  std::string domainname;
  bool tty = false;
  bool interactive = false;
  bool init = false;
  std::string init_path;  ///< a program of the host that is its init; empty: torte's own
  bool systemd = false;   ///< its program is systemd, or boots like it
  std::string passwd_entry,
      group_entry;  ///< lines for a user and group that the image does not know
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;

  std::vector<MountConfig> mounts;
  std::vector<DeviceConfig> devices;
  bool read_only = false;
  uint64_t shm_bytes = 64 << 20;

  std::string network_mode =
      "default";  ///< as it was asked for; "container:ID" is resolved at start
  network::Request network;
  std::vector<network::Request>
      further_networks;  ///< joined later (network connect): name, aliases, address, mac
  bool no_hosts = false;
  bool no_hostname = false;                  ///< the image's /etc/hostname stays
  std::vector<std::string> ports;            ///< "80/tcp": those the image and --expose name
  std::string pid_mode, ipc_mode, uts_mode;  ///< empty: private; "host", "container:ID"
  bool host_cgroup = false;                  ///< --cgroupns host
  std::string userns;                        ///< empty: torte's own; see ids.h
  sys::IdMaps id_maps;                       ///< --uidmap, --gidmap; empty: as `userns` says

  launch::Capabilities capabilities = launch::default_capabilities();
  bool privileged = false;
  bool no_new_privileges = true;
  std::string seccomp;  ///< empty: ours; "unconfined"; else a profile in the common JSON format
  std::vector<std::string> mask, unmask;
  launch::Limits limits;
  std::vector<launch::Ulimit> ulimits;
  std::vector<std::pair<std::string, std::string>> sysctls;

  std::string stop_signal;                       ///< empty: TERM
  std::optional<uint64_t> stop_timeout_seconds;  ///< unset: 10
  uint64_t timeout_seconds = 0;                  ///< killed after so long; 0: never
  RestartPolicy restart;
  LogConfig log;
  bool auto_remove = false;
  std::string pid_file;
  std::optional<oci::Healthcheck> healthcheck;
  std::string health_on_failure;  ///< none, kill, restart, stop
  std::string runtime;            ///< empty: torte itself
  std::string
      sdnotify;  ///< who says that it is ready: "container", "conmon" (its monitor), "ignore"

  std::string to_json() const;
  /// Throws Invalid or Corrupt for what to_json() did not write.
  static Config parse(std::string_view json);
};

/// The bridge networks a container is on, the first one first; "bridge" is the default one.
std::vector<std::string> networks_of(const Config& config);

/// "TERM", "SIGTERM", "15", "rtmin+3" as a number; nullopt for what is none.
std::optional<int> parse_signal(std::string_view text);

}  // namespace container
