#pragma once

#include <vector>

#include "runner/network/ports.h"

/// The host's side of published ports: which are free.
namespace network {

/// Ports with 0 replaced by free ones. With `with_ip6` a port on every address is tried on IPv6 as
/// well. Throws Unavailable (id "port-in-use") for one that a program of the host listens on,
/// Denied for one below the ports that everybody may use.
std::vector<Port> choose_host_ports(std::vector<Port> ports, bool with_ip6);

/// True when the two cannot both be published.
bool overlap(const Port& one, const Port& other);

}  // namespace network
