#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/process.h"
#include "runner/container/containers.h"
#include "runner/container/control.h"

namespace container {

/// A monitor process that was started, and what connects us to it.
struct Started {
  sys::Process monitor;          ///< release() it, or wait: it ends with the container
  std::string warning;           ///< what was not possible, for the user; or empty
  std::optional<Control> owner;  ///< attached from the first moment, where that was asked
};

/// Starts the monitor of a container as a process of its own: `torte COMMAND.. ID LIFE REPORT OWNER
/// USERNS FURTHER HELD`, being descriptors, the user namespace's mode, the number of descriptors
/// from 3 on that are the program's, and whether it waits, for run_monitor(). Returns when the
/// container's program runs. Throws what kept it from that, as the monitor found it.
struct StartOptions {
  bool attach = false;
  bool own_streams = false;  ///< our streams are its program's (--log-driver passthrough)
  int further_fds = 0;       ///< MonitorOptions::further_fds
  bool held = false;         ///< MonitorOptions::held
};
/// For a container of this configuration.
inline StartOptions start_options(const Config& config) {
  StartOptions options;
  options.own_streams = config.log.driver == "passthrough";
  return options;
}
Started start_monitor(const std::vector<std::string>& command, Claim claim,
                      const StartOptions& options);

/// The other side: what the hidden command does. `words` are ID and what follows. Returns the
/// status.
int run_monitor(Containers& containers, const std::vector<std::string>& words);

/// The signal that asks the container to end.
int stop_signal_of(const Config& config);

/// Asks a container to end, and kills it after `timeout` (the container's own when unset). Nothing
/// happens to one that does not run.
void stop(Containers& containers, const std::string& id, std::optional<int> signal,
          std::optional<std::chrono::seconds> timeout);
/// Sends a signal. Throws Unavailable when it does not run.
void send_signal(Containers& containers, const std::string& id, int signal);
/// One request to the monitor ('p', 'u', 'g', 'U', 'N', 'D'). Throws Unavailable when it does not
/// run.
void ask(Containers& containers, const std::string& id, char request, const std::string& text = {});
/// Pauses a running container until the conversation that is returned ends, however that comes
/// about; 'u' ends the pause at once. nullopt when it does not run. Throws Unsupported where the
/// machine cannot.
std::optional<Control> hold(Containers& containers, const std::string& id);
/// Waits until it does not run; its last status.
int wait(Containers& containers, const std::string& id);

/// Removes the record and the files, with `volumes` also the volumes that were made for it alone.
void remove_container(Containers& containers, const Claim& claim, bool volumes);

}  // namespace container
