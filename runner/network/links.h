#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "runner/network/ip6.h"
#include "runner/network/netlink.h"

namespace network {

/// An IPv4 address as a number, most significant byte first.
struct Ip4 {
  uint32_t value = 0;

  /// Throws Invalid.
  static Ip4 parse(const std::string& text);
  std::string str() const;
  bool operator==(const Ip4&) const = default;
};

/// 10.89.0.0/22.
struct Subnet {
  Ip4 base;
  int prefix = 24;

  /// Throws Invalid; bits behind the prefix must be zero, the prefix between 8 and 30.
  static Subnet parse(const std::string& text);
  std::string str() const;
  uint32_t mask() const { return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix); }
  bool contains(Ip4 address) const { return (address.value & mask()) == base.value; }
  bool overlaps(const Subnet& other) const { return contains(other.base) || other.contains(base); }
  uint32_t size() const { return ~mask() + 1; }
};

using Mac = std::array<uint8_t, 6>;
/// Throws Invalid.
Mac parse_mac(const std::string& text);
std::string str(const Mac& mac);

struct Link {
  int index = 0;
  std::string name;
  uint32_t mtu = 0;
};

std::optional<Link> find_link(Netlink& route, const std::string& name);
void delete_link(Netlink& route, const std::string& name);
/// What addresses and routes of the host cover, default routes left out.
std::vector<Subnet> subnets_in_use(Netlink& route);
/// The same of IPv6, link-local ones left out.
std::vector<Subnet6> subnets6_in_use(Netlink& route);
/// Names of the interfaces that have routes which routers announced.
std::vector<std::string> interfaces_with_announced_routes(Netlink& route);
/// MTU of the interface the default route goes out of; 1500 without one.
uint32_t default_mtu(Netlink& route);

/// Creates the bridge with its address, up. One that is there already is taken as it is.
void create_bridge(Netlink& route, const std::string& name, const Mac& mac, Ip4 address,
                   const Subnet& subnet, uint32_t mtu);

/// How an interface is a port of its bridge. [bridge(8)]
struct BridgePort {
  bool hairpin = false;   ///< the container may come back to itself
  bool isolated = false;  ///< not seen by other isolated ports

  bool is_usual() const { return !hairpin && !isolated; }
};

struct Veth {
  std::string host_name;
  std::string name = "eth0";  ///< of the peer, inside
  int bridge = 0;             ///< index of its interface
  uint32_t mtu = 1500;
  Mac mac = {};
  BridgePort port = {};
  int namespace_fd = -1;
};
/// One end on the bridge, the other born inside the namespace; both up.
void create_veth(Netlink& route, const Veth& veth);

void bring_up_loopback(Netlink& inside);
/// Brings up loopback and an interface of a container, and gives it its address and, unless it is
/// 0, the default route. One send: each request may wait for the kernel's one lock of all networks.
void configure(Netlink& inside, const std::string& name, Ip4 address, const Subnet& subnet,
               Ip4 gateway);
/// The default route by an interface that is up. One that is there already stays.
void set_default_route(Netlink& inside, const std::string& name, Ip4 gateway);
/// Makes IPv6 of an interface ours to give, before it has an address: it is switched on, and what
/// neighbours announce is not believed. -1: in our own namespace.
void prepare_ip6(int namespace_fd, const std::string& name);
/// An IPv6 address that nobody is asked about first (no duplicate address detection: we gave it
/// out), so that it can be used at once.
void add_ip6(Netlink& route, const std::string& name, const Ip6& address, const Subnet6& subnet);
/// As set_default_route.
void set_default_route6(Netlink& inside, const std::string& name, const Ip6& gateway);
/// Makes an interface a port of a bridge, up.
void put_on_bridge(Netlink& route, const std::string& name, int bridge, const BridgePort& port);
/// The address of an interface that is not loopback, once there is one.
std::optional<std::string> find_address(Netlink& inside, std::string& interface);

/// A new network namespace and a socket in it.
struct NewNamespace {
  sys::UniqueFd fd;
  std::optional<Netlink> route;
};
/// Made by a thread of its own, so that nobody else moves. Loopback is down. Throws SystemError.
NewNamespace create_namespace();
/// Runs `work` on a thread of its own that is in a network namespace, and hands on what it throws.
void run_in_namespace(int namespace_fd, const std::function<void()>& work);
/// A socket inside an existing one.
Netlink open_inside(int namespace_fd);

}  // namespace network
