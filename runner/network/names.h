#pragma once

#include <string>
#include <vector>

#include "runner/network/network.h"

namespace network {

/// Where a name leads: one line of /etc/hosts.
struct HostsLine {
  std::string address;
  std::vector<std::string> names;
};

/// What the files say beside the Request.
struct Surroundings {
  std::string own_address = "127.0.0.1";  ///< of the container
  std::string own_address6;               ///< empty: none
  std::string host_address;      ///< the host as the container sees it; empty: not reachable
  std::vector<HostsLine> peers;  ///< other members of the network
  bool own_namespace = true;     ///< the host's loopback name servers are out of reach
  std::string forwarded_dns;     ///< a name server that leads to the host's; empty: none
};

/// The text of /etc/hosts. Throws Invalid for a malformed --add-host. [spec/network.md 5]
std::string hosts_text(const Request& request, const Surroundings& around);

/// The text of /etc/resolv.conf: the host's, or what --dns says. Name servers on the host's
/// loopback are replaced by the ones behind them where the container cannot reach loopback.
std::string resolv_text(const Request& request, const Surroundings& around);

/// Throws Invalid unless `name` can stand in /etc/hosts.
void check_host_name(const std::string& name);

}  // namespace network
