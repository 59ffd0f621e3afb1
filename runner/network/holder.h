#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "runner/network/ports.h"

/// Where bridges are. Root's are in the machine's own network namespace. An ordinary user may not
/// have any there, so theirs, with the firewall's table, are in a namespace made for that: the
/// *holder* is a process that keeps it, carries its packets (slirp4netns, else pasta), and leads
/// published ports into it. One holder for each state directory; it comes with the first container
/// that needs it and goes when nobody is connected any more. [spec/network.md 4.3]
///
/// A namespace can only be entered from the user namespace it belongs to. So whoever starts a
/// container enters the holder's before anything else (join_holder).
namespace network {

/// The name of the hidden command behind which run_holder() is: STATE REPORT.
inline constexpr const char* kHolderCommand = "network-holder";

/// What the hidden command does: serves until nobody needs it. In a user namespace of its own.
/// `report` is told once it can be connected to, or why it cannot.
int run_holder(const std::filesystem::path& state, sys::UniqueFd report);

/// For ordinary users, before they enter a user namespace: enters that of the holder, which from
/// then on lives at least as long as this process. Where there is no holder, `command` ("torte ..
/// COMMAND") starts one; when that is empty, nothing happens and the answer is false. Throws what
/// kept a holder from starting.
bool join_holder(const std::filesystem::path& state, const std::vector<std::string>& command);

/// Says that a holder which must be there is gone.
[[noreturn]] void throw_no_holder();
/// True for root, whose bridges are here.
bool bridges_are_here();
/// Runs `work` in the namespace of the bridges. False, and nothing was run, for a user without a
/// holder, who has no bridges then. Throws what `work` throws.
bool at_bridges(const std::filesystem::path& state, const std::function<void()>& work);

/// What the holder's way out looks like from inside. Empty texts where there is no such thing.
struct HolderNames {
  std::string name_server;  ///< leads to the host's own
  std::string gateway;      ///< leads to the host
};
/// Throws Unavailable without a holder.
HolderNames holder_names(const std::filesystem::path& state);

/// Ports of the machine that lead to the same ports of the holder's namespace. Dropping it gives
/// them back, and so does our death. Move-only.
class HeldPorts {
 public:
  /// Throws Unavailable (id "port-in-use", "no-holder"), Unsupported where pasta is the way out.
  HeldPorts(const std::filesystem::path& state, const std::vector<Port>& ports);
  HeldPorts(HeldPorts&&) noexcept = default;
  HeldPorts& operator=(HeldPorts&&) = delete;
  ~HeldPorts();

 private:
  sys::UniqueFd socket_;
};

}  // namespace network
