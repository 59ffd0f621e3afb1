#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runner/container/config.h"

namespace container {

enum class Status {
  kCreated,      ///< never started
  kInitialized,  ///< all but its program is ready, which waits (torte init)
  kRunning,
  kPaused,
  kRestarting,  ///< ended, and waiting to be started again
  kExited,
};
std::string_view name_of(Status status);

enum class Health { kNone, kStarting, kHealthy, kUnhealthy };
std::string_view name_of(Health health);

/// One health probe.
struct Probe {
  Time start = {};
  Time end = {};
  int exit_code = 0;
  std::string output;  ///< its first bytes
};

/// What a container is doing, or how it ended. Kept as containers/ID/state.json and rewritten whole
/// by whoever holds the container's life lock: its monitor while it runs. A value.
struct State {
  Status status = Status::kCreated;
  pid_t pid = 0;           ///< process 1, numbered by the monitor's pid namespace; 0: none
  uint64_t pid_start = 0;  ///< with `boot` and the number: which process that is
  pid_t monitor = 0;
  std::string boot;  ///< boot id of the machine
  int exit_code = 0;
  bool memory_killed = false;  ///< the kernel killed one of its processes for want of memory
  std::string error;           ///< why it could not be started, or ended without its own doing
  Time started = {};
  Time finished = {};
  uint64_t restarts = 0;
  bool stopped_by_user = false;
  Health health = Health::kNone;
  uint64_t failing_streak = 0;
  std::vector<Probe> probes;  ///< the last five
  std::vector<std::string> cgroups;
  std::string interface, address, gateway, mac;  ///< of its network; empty without one
  std::vector<network::Membership> networks;     ///< the bridge networks it is on
  std::vector<std::string> ports;  ///< "0.0.0.0:8080->80/tcp": those that are published

  bool is_live() const {
    return status == Status::kInitialized || status == Status::kRunning ||
           status == Status::kPaused || status == Status::kRestarting;
  }
  /// What was true of its process and network is not any more.
  void forget_process();
  std::string to_json() const;
  static State parse(std::string_view json);
};

/// The boot id of this machine. [/proc/sys/kernel/random/boot_id]
std::string this_boot();
/// Now, as records have it.
Time now();

}  // namespace container
