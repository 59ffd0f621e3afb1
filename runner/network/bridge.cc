#include "runner/network/bridge.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "runner/network/holder.h"
#include "runner/network/host_ports.h"
#include "runner/network/members.h"

namespace network {

const char* const kDefaultNetwork = "bridge";

namespace {

// Ranges of the default network, one /22 each: a bridge takes 1024 ports, a /24 would be full at
// 253 containers. A user-defined network is a /24.
constexpr int kDefaultPrefix = 22;
constexpr int kNamedPrefix = 24;
constexpr const char* kMachineState = "/run/torte/net";
constexpr const char* kSlirpSubnet = "10.0.2.0/24";  // the way out of ordinary users' bridges
constexpr const char* kPools[] = {"10.89.0.0/16", "172.30.0.0/16"};

bool write_setting(const std::string& path, std::string_view value) {
  sys::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file &&
         ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

bool is_set_to(const std::string& path, std::string_view value) {
  return base::trim(sys::find_user_file(path, 16).value_or("")) == value;
}

void enable_forwarding() {
  constexpr const char* kPath = "/proc/sys/net/ipv4/ip_forward";
  if (is_set_to(kPath, "1") || write_setting(kPath, "1")) return;
  throw base::Error(base::Code::kUnsupported, "the machine does not forward packets",
                    "no-private-network")
      .add_help("sysctl -w net.ipv4.ip_forward=1");
}

/// A host that forwards does not listen to routers any more, unless an interface says "even so":
/// those that have routes from them keep theirs. No others: containers could play the router.
void enable_forwarding6(Netlink& route) {
  const std::filesystem::path settings = "/proc/sys/net/ipv6/conf";
  const std::string forwarding = settings / "all/forwarding";
  if (is_set_to(forwarding, "1")) return;
  for (const std::string& interface : interfaces_with_announced_routes(route)) {
    const std::string announcements = settings / interface / "accept_ra";
    if (is_set_to(announcements, "1") && !write_setting(announcements, "2"))
      base::throw_errno("write " + announcements);
  }
  if (write_setting(forwarding, "1")) return;
  throw base::Error(base::Code::kUnsupported, "the machine does not forward IPv6 packets",
                    "no-ipv6")
      .add_help("sysctl -w net.ipv6.conf.all.forwarding=1");
}

Guarded guarded(const Network& network) {
  std::optional<Subnet6> subnet6;
  if (network.ipv6) subnet6 = Subnet6::parse(network.subnet6);
  return {network.bridge, Subnet::parse(network.subnet), subnet6, network.internal};
}

Mac mac_of(const std::string& seed) {
  std::string hex = base::sha256_hex(base::as_bytes(seed));
  Mac mac = {0x02};
  for (size_t i = 1; i < mac.size(); ++i)
    mac[i] = static_cast<uint8_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  return mac;
}

Mac mac_of(Ip4 address) {
  uint32_t value = address.value;
  return {0x02,
          0x74,
          static_cast<uint8_t>(value >> 24),
          static_cast<uint8_t>(value >> 16),
          static_cast<uint8_t>(value >> 8),
          static_cast<uint8_t>(value)};
}

Subnet free_subnet(const std::vector<Subnet>& taken, int prefix) {
  for (const char* pool_text : kPools) {
    Subnet pool = Subnet::parse(pool_text);
    Subnet candidate{pool.base, prefix};
    for (; pool.contains(candidate.base); candidate.base.value += candidate.size()) {
      bool is_free = std::none_of(taken.begin(), taken.end(),
                                  [&](const Subnet& other) { return candidate.overlaps(other); });
      if (is_free) return candidate;
    }
  }
  throw base::Error(base::Code::kUnavailable, "no subnet is left for a network", "subnet-in-use")
      .add_help("give one: torte network create --subnet 10.x.y.0/24 NAME");
}

/// The IPv6 part of define().
void define_ip6(const StateDirectory& state, Network& network, Netlink& route) {
  if (network.subnet6.empty()) network.subnet6 = Subnet6::unique_local().str();
  const Subnet6 subnet = Subnet6::parse(network.subnet6);
  network.subnet6 = subnet.str();
  std::vector<Subnet6> taken = subnets6_in_use(route);
  for (const Network& other : state.list())
    if (other.ipv6) taken.push_back(Subnet6::parse(other.subnet6));
  for (const Subnet6& other : taken)
    if (subnet.overlaps(other))
      throw base::Error(
          base::Code::kUnavailable,
          "subnet " + network.subnet6 + " overlaps " + other.str() + ", which is in use",
          "subnet-in-use");
  const Ip6 gateway = network.gateway6.empty() ? subnet.base + 1 : Ip6::parse(network.gateway6);
  network.gateway6 = gateway.str();
  if (!subnet.contains(gateway) || gateway == subnet.base)
    throw base::Error(base::Code::kInvalid,
                      "gateway " + network.gateway6 + " is not an address of " + network.subnet6,
                      "bad-address");
}

/// Completes what the caller left open. The machine lock is held.
Network define(const StateDirectory& state, Network network, Netlink& route) {
  network.bridge = state.bridge_name(network.name);
  std::vector<Subnet> taken = subnets_in_use(route);
  for (const Network& other : state.list()) taken.push_back(Subnet::parse(other.subnet));
  if (!bridges_are_here()) taken.push_back(Subnet::parse(kSlirpSubnet));
  if (network.subnet.empty()) {
    network.subnet = free_subnet(taken, network.implicit ? kDefaultPrefix : kNamedPrefix).str();
  } else {
    Subnet wanted = Subnet::parse(network.subnet);
    for (const Subnet& other : taken)
      if (wanted.overlaps(other))
        throw base::Error(
            base::Code::kUnavailable,
            "subnet " + network.subnet + " overlaps " + other.str() + ", which is in use",
            "subnet-in-use");
  }
  Subnet subnet = Subnet::parse(network.subnet);
  if (network.gateway.empty()) network.gateway = Ip4{subnet.base.value + 1}.str();
  Ip4 gateway = Ip4::parse(network.gateway);
  if (!subnet.contains(gateway) || gateway == subnet.base)
    throw base::Error(base::Code::kInvalid,
                      "gateway " + network.gateway + " is not an address of " + network.subnet,
                      "bad-address");
  if (network.ipv6) define_ip6(state, network, route);
  auto now = std::chrono::system_clock::now().time_since_epoch();
  network.created = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  return network;
}

/// Directories of other run roots choose subnets on the same machine.
sys::FileLock lock_machine(const StateDirectory& state) {
  try {
    sys::make_directories("/run/torte");
    return sys::FileLock::acquire("/run/torte/network.lock", sys::FileLock::Mode::kExclusive);
  } catch (const base::SystemError&) {
    // A read-only /run: there is nobody to share the machine with but users of this directory.
    return sys::FileLock::acquire(state.path() / "machine.lock", sys::FileLock::Mode::kExclusive);
  }
}

/// The bridge of a network, made again when somebody removed it; its rules likewise.
Link ensure_bridge(const StateDirectory& state, const Network& network, Netlink& route) {
  std::optional<Link> link = find_link(route, network.bridge);
  if (!link) {
    uint32_t mtu = network.mtu != 0 ? network.mtu : default_mtu(route);
    create_bridge(route, network.bridge, mac_of(network.bridge), Ip4::parse(network.gateway),
                  Subnet::parse(network.subnet), mtu);
    if (network.ipv6) {
      prepare_ip6(-1, network.bridge);
      add_ip6(route, network.bridge, Ip6::parse(network.gateway6), Subnet6::parse(network.subnet6));
    }
    // So that 127.0.0.1:PORT of the host leads to a published port; chain raw keeps others out.
    write_setting("/proc/sys/net/ipv4/conf/" + network.bridge + "/route_localnet", "1");
    // So that no container is taken for a router by the host, where there is IPv6.
    write_setting("/proc/sys/net/ipv6/conf/" + network.bridge + "/accept_ra", "0");
    link = find_link(route, network.bridge);
    if (!link) throw base::SystemError("look up bridge " + network.bridge, ENODEV);
  }
  if (!is_guarded(guarded(network))) {
    std::vector<Guarded> all;
    for (const Network& one : state.list()) all.push_back(guarded(one));
    guard(all);
  }
  return *link;
}

/// The default network is the machine's, not a run root's: many run roots, each with a bridge and a
/// range of its own, would use up the ranges there are.
std::filesystem::path default_directory(const std::filesystem::path& path) {
  static const bool is_ours = [] {
    try {
      sys::make_directories(kMachineState);
      return ::access(kMachineState, W_OK) == 0;
    } catch (const base::SystemError&) {
      return false;  // a /run that is not ours to write
    }
  }();
  return is_ours ? std::filesystem::path(kMachineState) : path;
}

/// Where networks may be remembered: by this run root, and by the machine.
std::vector<std::filesystem::path> directories(const std::filesystem::path& path) {
  std::filesystem::path machine = default_directory(path);
  if (machine == path) return {path};
  return {machine, path};
}

std::filesystem::path directory_of(const std::filesystem::path& path, const std::string& name) {
  return name == kDefaultNetwork ? default_directory(path) : path;
}

Network default_network(const StateDirectory& state, Netlink& route) {
  if (auto known = state.find(kDefaultNetwork)) return *known;
  sys::FileLock machine = lock_machine(state);
  Network wanted;
  wanted.name = kDefaultNetwork;
  wanted.implicit = true;
  Network made = define(state, wanted, route);
  // Left by a run root that was wiped; nobody remembers what is on it.
  delete_link(route, made.bridge);
  made = define(state, wanted, route);
  state.save(made);
  ensure_bridge(state, made, route);
  return made;
}

[[noreturn]] void throw_missing(const std::string& name) {
  throw base::Error(base::Code::kNotFound, "there is no network " + base::printable(name),
                    "network-missing")
      .add_help("torte network create " + base::printable(name) +
                " makes it, torte network ls lists them");
}

/// Takes back what dead owners left. The lock is held.
Swept sweep_network(const StateDirectory& state, const Network& network, Netlink& route) {
  Swept swept;
  for (auto& lease : state.leases(network)) {
    if (lease.is_live) continue;
    if (!lease.text.ports.empty()) {
      unpublish(lease.text.ports, !lease.text.address6.empty());
      swept.ports += static_cast<int>(lease.text.ports.size());
      lease.text.ports.clear();
      std::string text = lease.text.encode();
      if (::ftruncate(lease.file.get(), 0) < 0 ||
          ::pwrite(lease.file.get(), text.data(), text.size(), 0) < 0)
        base::throw_errno("write lease");
    }
    if (!lease.text.hosts_file.empty()) ::unlink(lease.text.hosts_file.c_str());
    // A namespace that somebody keeps, or that is still going: the address is in use.
    if (!lease.text.link.empty() && find_link(route, lease.text.link)) continue;
    ::unlink(lease.path.c_str());
    ++swept.leases;
  }
  return swept;
}

void check_ports_free(const StateDirectory& state, const std::vector<Port>& wanted) {
  if (wanted.empty()) return;
  for (const Network& network : state.list())
    for (const auto& lease : state.leases(network))
      for (const Port& held : lease.text.ports)
        for (const Port& port : wanted)
          if (overlap(held, port))
            throw base::Error(
                base::Code::kUnavailable,
                base::str("port ", port.host, "/", name_of(port.protocol),
                          " of the host is published by container ",
                          lease.text.hostname.empty() ? lease.text.id : lease.text.hostname),
                "port-in-use");
}

}  // namespace

Attachment::Attachment(Attachment&& other) noexcept
    : state_(std::move(other.state_)),
      network_(std::move(other.network_)),
      subnet_(other.subnet_),
      lease_(std::move(other.lease_)),
      text_(std::move(other.text_)),
      interface_(std::move(other.interface_)),
      mac_(other.mac_),
      is_published_(other.is_published_),
      owns_(std::exchange(other.owns_, false)) {}

Attachment::~Attachment() {
  if (!owns_) return;
  try {
    if (is_published_) at_bridges(state_, [&] { unpublish(text_.ports, !text_.address6.empty()); });
    if (network_.implicit) return;
    const StateDirectory state(state_);
    const sys::FileLock lock = state.lock();
    refresh_members(state, network_, text_.id);
  } catch (const base::Error&) {
    // Names and ports that lead nowhere until the next command puts them right.
  }
}

std::string Attachment::address6() const {
  if (text_.address6.empty()) return "";
  return base::str(text_.address6, "/", Subnet6::parse(network_.subnet6).prefix);
}

void Attachment::tell_members() const {
  const StateDirectory state(state_);
  const sys::FileLock lock = state.lock();
  refresh_members(state, network_);
}

namespace {

/// The IPv6 address of who has this IPv4 one: as far into the range, where that is free.
std::string choose_ip6(const StateDirectory& state, const Network& network, const Request& request,
                       Ip4 address) {
  const Subnet6 subnet = Subnet6::parse(network.subnet6);
  const Ip6 gateway = Ip6::parse(network.gateway6);
  std::vector<Ip6> taken;
  for (const auto& lease : state.leases(network))
    if (!lease.text.address6.empty()) taken.push_back(Ip6::parse(lease.text.address6));
  if (request.address6) {
    const Ip6 wanted = Ip6::parse(*request.address6);
    if (!subnet.contains(wanted) || wanted == subnet.base || wanted == gateway)
      throw base::Error(
          base::Code::kInvalid,
          base::str("address ", wanted.str(), " is not one for containers of network ",
                    network.name, " (", network.subnet6, ")"),
          "bad-address");
    if (std::find(taken.begin(), taken.end(), wanted) != taken.end())
      throw base::Error(base::Code::kUnavailable,
                        "address " + wanted.str() + " is in use by another container",
                        "address-in-use");
    return wanted.str();
  }
  const uint64_t offset = address.value - Subnet::parse(network.subnet).base.value;
  const std::optional<Ip6> chosen = free_address(subnet, gateway, taken, offset);
  if (chosen) return chosen->str();
  throw base::Error(
      base::Code::kUnavailable,
      base::str("network ", network.name, " (", network.subnet6, ") has no free address left"),
      "no-free-address");
}

void refuse_ip6(const Network& network, const Request& request) {
  const bool is_asked =
      request.address6 || std::any_of(request.ports.begin(), request.ports.end(),
                                      [](const Port& port) { return port.is_ip6(); });
  if (!is_asked) return;
  throw base::Error(base::Code::kInvalid, "network " + network.name + " has no IPv6", "no-ipv6")
      .add_help("torte network create --ipv6 NAME makes one that has");
}

/// What the lease of a container says. The lock is held.
LeaseText describe_lease(const StateDirectory& state, const Network& network,
                         const Request& request, const Wiring& wiring, Ip4 address) {
  LeaseText text;
  text.id = request.id;
  text.hostname = request.hostname;
  text.aliases = request.aliases;
  text.link = base::str("e", request.id.substr(0, 12),
                        wiring.number == 0 ? "" : std::to_string(wiring.number));
  if (network.ipv6) text.address6 = choose_ip6(state, network, request, address);
  text.is_further = wiring.is_further;
  text.is_apart = request.is_apart;
  if (wiring.is_further)
    text.hosts_file = wiring.hosts_file;
  else if (!network.implicit || request.keeps_hosts_file)
    text.hosts_file = state.hosts_file(request.id);
  return text;
}

BridgePort port_of(const LeaseText& text) {
  return {.hairpin = !text.ports.empty(), .isolated = text.is_apart};
}

/// The veth pair and what the container needs on its end.
void wire(const Attachment& attachment, const Wiring& wiring, const Link& bridge,
          const LeaseText& text, Netlink& route, NewNamespace& inside) {
  Veth veth;
  veth.host_name = text.link;
  veth.name = wiring.interface();
  veth.bridge = bridge.index;
  veth.mtu = bridge.mtu;
  veth.mac = attachment.mac();
  veth.port = port_of(text);
  veth.namespace_fd = inside.fd.get();
  try {
    create_veth(route, veth);
  } catch (const base::SystemError& e) {
    if (e.error_number() != EEXIST) throw;
    delete_link(route, veth.host_name);  // of this container's last life
    create_veth(route, veth);
  }
  const Network& network = attachment.network();
  Ip4 gateway = network.internal || !wiring.default_route ? Ip4{} : Ip4::parse(network.gateway);
  configure(*inside.route, veth.name, attachment.address(), attachment.subnet(), gateway);
  if (!network.ipv6) return;
  prepare_ip6(inside.fd.get(), veth.name);
  add_ip6(*inside.route, veth.name, Ip6::parse(text.address6), Subnet6::parse(network.subnet6));
  if (!network.internal && wiring.default_route6)
    set_default_route6(*inside.route, veth.name, Ip6::parse(network.gateway6));
}

}  // namespace

Attachment Attachment::make(const std::filesystem::path& given, const Request& request,
                            const Wiring& wiring, NewNamespace& inside) {
  std::filesystem::path path = request.mode == Mode::kNamed ? given : default_directory(given);
  StateDirectory state(path);
  Netlink route(NETLINK_ROUTE);
  enable_forwarding();
  sys::FileLock lock = state.lock();
  Network network;
  if (request.mode == Mode::kNamed) {
    auto known = state.find(request.name);
    if (!known) throw_missing(request.name);
    network = *known;
  } else {
    network = default_network(state, route);
  }
  if (network.ipv6)
    enable_forwarding6(route);
  else
    refuse_ip6(network, request);
  Link bridge = ensure_bridge(state, network, route);
  sweep_network(state, network, route);
  const std::vector<Port> ports = choose_host_ports(request.ports, network.ipv6);
  check_ports_free(state, ports);
  std::optional<Ip4> wanted;
  if (request.address) wanted = Ip4::parse(*request.address);
  Lease lease = state.allocate(network, wanted);
  LeaseText text = describe_lease(state, network, request, wiring, lease.address());
  text.ports = ports;
  lease.write(text);
  Mac mac = request.mac ? parse_mac(*request.mac) : mac_of(lease.address());
  Attachment attachment(path, network, std::move(lease), text, wiring.interface(), mac);
  if (!ports.empty()) {
    std::optional<Ip6> address6;
    if (network.ipv6) address6 = Ip6::parse(text.address6);
    publish(ports, attachment.address(), address6);
    attachment.is_published_ = true;
  }
  std::optional<sys::FileLock> unlocked(std::move(lock));
  unlocked.reset();  // the rest is between this container and the kernel
  wire(attachment, wiring, bridge, text, route, inside);
  return attachment;
}

Attachment attach(const std::filesystem::path& state, const Request& request, const Wiring& wiring,
                  NewNamespace& inside) {
  std::optional<Attachment> made;
  if (!at_bridges(state, [&] { made.emplace(Attachment::make(state, request, wiring, inside)); }))
    throw_no_holder();
  return std::move(*made);
}

Network get_network(const std::filesystem::path& state, const std::string& name) {
  std::optional<Network> known = find_network(state, name);
  if (!known) throw_missing(name);
  return *known;
}

Network create_network(const std::filesystem::path& path, const Network& wanted) {
  check_network_name(wanted.name);
  for (const char* reserved : {"none", "host", "private", "default", "container", "ns", "pasta",
                               "slirp4netns", kDefaultNetwork})
    if (wanted.name == reserved)
      throw base::Error(base::Code::kInvalid, wanted.name + " already means something as a network",
                        "bad-network-name");
  StateDirectory state(path);
  // An ordinary user's bridge is made when the first container comes; its range must be none of the
  // machine's either.
  const bool is_here = bridges_are_here();
  Netlink route(NETLINK_ROUTE);
  if (is_here) enable_forwarding();
  if (is_here && wanted.ipv6) enable_forwarding6(route);
  sys::FileLock lock = state.lock();
  if (state.find(wanted.name))
    throw base::Error(base::Code::kUnavailable, "there is a network " + wanted.name + " already",
                      "network-exists");
  sys::FileLock machine = lock_machine(state);
  Network made = wanted;
  made.implicit = false;
  made = define(state, made, route);
  state.save(made);
  if (!is_here) return made;
  try {
    ensure_bridge(state, made, route);
  } catch (...) {
    state.remove(made);
    throw;
  }
  return made;
}

std::vector<Network> list_networks(const std::filesystem::path& path) {
  std::vector<Network> networks;
  for (const auto& directory : directories(path))
    for (Network& network : StateDirectory(directory).list())
      networks.push_back(std::move(network));
  return networks;
}

std::optional<Network> find_network(const std::filesystem::path& path, const std::string& name) {
  return StateDirectory(directory_of(path, name)).find(name);
}

std::vector<Member> list_members(const std::filesystem::path& path, const Network& network) {
  StateDirectory state(directory_of(path, network.name));
  sys::FileLock lock = state.lock();
  std::vector<Member> members;
  for (const auto& lease : state.leases(network))
    if (lease.is_live)
      members.push_back({lease.text.id, lease.text.hostname, lease.address.str(),
                         lease.text.address6, lease.text.aliases, lease.text.ports});
  return members;
}

void remove_network(const std::filesystem::path& path, const std::string& name) {
  StateDirectory state(directory_of(path, name));
  sys::FileLock lock = state.lock();
  std::optional<Network> network = state.find(name);
  if (!network) throw_missing(name);
  at_bridges(path, [&] {
    Netlink route(NETLINK_ROUTE);
    sweep_network(state, *network, route);
  });
  std::string users;
  for (const auto& lease : state.leases(*network))
    if (lease.is_live)
      users += " " + (lease.text.hostname.empty() ? lease.text.id : lease.text.hostname);
  if (!users.empty())
    throw base::Error(base::Code::kUnavailable, "network " + name + " is used by" + users,
                      "network-in-use");
  at_bridges(path, [&] {
    Netlink route(NETLINK_ROUTE);
    unguard(guarded(*network));
    delete_link(route, network->bridge);
  });
  state.remove(*network);
}

namespace {

void reload_directory(const std::filesystem::path& path) {
  StateDirectory state(path);
  Netlink route(NETLINK_ROUTE);
  sys::FileLock lock = state.lock();
  for (const Network& network : state.list()) {
    const Link bridge = ensure_bridge(state, network, route);
    for (const auto& lease : state.leases(network)) {
      if (!lease.is_live) continue;
      if (find_link(route, lease.text.link))
        put_on_bridge(route, lease.text.link, bridge.index, port_of(lease.text));
      if (lease.text.ports.empty()) continue;
      std::optional<Ip6> address6;
      if (!lease.text.address6.empty()) address6 = Ip6::parse(lease.text.address6);
      unpublish(lease.text.ports, address6.has_value());
      publish(lease.text.ports, lease.address, address6);
    }
    refresh_members(state, network);
  }
}

}  // namespace

void reload_networks(const std::filesystem::path& path) {
  for (const auto& directory : directories(path))
    at_bridges(path, [&] { reload_directory(directory); });
}

Swept sweep(const std::filesystem::path& path) {
  Swept total;
  at_bridges(path, [&] {
    Netlink route(NETLINK_ROUTE);
    for (const auto& directory : directories(path)) {
      StateDirectory state(directory);
      sys::FileLock lock = state.lock();
      for (const Network& network : state.list()) {
        Swept one = sweep_network(state, network, route);
        total.leases += one.leases;
        total.ports += one.ports;
        refresh_members(state, network);
      }
    }
  });
  return total;
}

}  // namespace network
