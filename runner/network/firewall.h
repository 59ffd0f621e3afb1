#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runner/network/links.h"
#include "runner/network/ports.h"

namespace network {

/// What one network of ours needs of the firewall.
struct Guarded {
  std::string bridge;
  Subnet subnet;
  std::optional<Subnet6> subnet6;
  bool internal = false;
};

/// Table `inet torte`: address translation, published ports, isolation. Its rules are constant; a
/// network is an element of two sets and a published port an element of a map, so there are no rule
/// handles to remember and a launch without ports changes nothing. Nothing outside the table is
/// touched. [spec/network.md 3]
///
/// The text grammar of libnftables is used, loaded when first needed: launches that find everything
/// in place, which is nearly all, only ask the kernel one question.

/// True when the table is there and knows the network. Throws Unsupported (id "no-nftables") where
/// the kernel has none, or we may not.
bool is_guarded(const Guarded& network);
/// Creates the table where it is missing and adds the networks, in one transaction.
void guard(const std::vector<Guarded>& networks);
/// Takes one network out again; one that is not there is fine.
void unguard(const Guarded& network);

/// Published ports of the container at these addresses. Throws Unavailable (id "port-in-use") when
/// another container has one of them; then none is published.
void publish(const std::vector<Port>& ports, Ip4 address, const std::optional<Ip6>& address6);
/// Ports that are not published are fine. `with_ip6`: the container had an IPv6 address.
void unpublish(const std::vector<Port>& ports, bool with_ip6) noexcept;

}  // namespace network
