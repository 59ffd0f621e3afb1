#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/sys/root.h"
#include "overlay/snapshot.h"
#include "runner/container/containers.h"
#include "runner/container/ids.h"
#include "runner/launch/launch.h"

namespace container {

/// A launch made ready from a record: the spec, and what it borrows. Move-only.
struct Prepared {
  launch::Spec spec;
  std::vector<sys::UniqueFd> borrowed;
  overlay::Stack layers;
  /// To be kept as long as the container runs.
  std::optional<network::Connection> network;
  std::optional<Ids> ids;  ///< its user namespace, where it has one of its own
};

/// Opens everything a container needs to start: its layers, volumes and sources, its user, a new
/// work directory. Streams and terminal are left to the caller. `claim` is the life lock. Throws
/// what the user should see: NotFound for missing layers or sources, ...
Prepared prepare(Containers& containers, const Claim& claim, const Config& config);

/// The spec of a further program in a running container (exec, health probes): identity, rights,
/// environment. `merged` is the container's root, for names of users.
launch::Spec exec_spec(const Config& config, const sys::Root& merged, const std::string& user);

/// The root of a container that does not run, as its program would see it without its mounts.
/// Nobody else may mount it meanwhile: the claim says so.
sys::Root mount_stopped(Containers& containers, const Claim& claim, const Config& config);
/// The root of a running one, mounts included. An ordinary user must have joined its user
/// namespace.
sys::Root open_running(const State& state);

/// A network of a container's as it is to be wired: with its id and names. `asked` is one of
/// config's.
network::Request member_request(const Config& config, const network::Request& asked);

/// For a command of an ordinary user that works in a running container: moves this process into the
/// user namespace in which torte started it. Nothing happens for root.
void enter_user_namespace_of(const Record& record);

/// NAME of "container:NAME", how --network, --pid and the like name another container; else empty.
std::string joined_container(const std::string& mode);

/// Its read-only layers, the bottom one first.
overlay::Stack open_layers(const Containers& containers, const Config& config);

}  // namespace container
