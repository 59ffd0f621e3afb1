#include "runner/network/bridge.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
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
#include "runner/network/members.h"

namespace network {

const char* const kDefaultNetwork = "bridge";

namespace {

// Ranges of the default network, one /22 each: a bridge takes 1024 ports, a /24 would be full at 253
// containers. A user-defined network is a /24.
constexpr int kDefaultPrefix = 22;
constexpr int kNamedPrefix = 24;
constexpr const char* kMachineState = "/run/torte/net";
constexpr const char* kPools[] = {"10.89.0.0/16", "172.30.0.0/16"};

bool write_setting(const std::string& path, std::string_view value) {
  sys::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), value.data(), value.size()) ==
                     static_cast<ssize_t>(value.size());
}

void enable_forwarding() {
  constexpr const char* kPath = "/proc/sys/net/ipv4/ip_forward";
  if (base::trim(sys::find_user_file(kPath, 16).value_or("")) == "1") return;
  if (!write_setting(kPath, "1"))
    throw base::Error(base::Code::kUnsupported, "the machine does not forward packets",
                      "no-private-network")
        .add_help("sysctl -w net.ipv4.ip_forward=1");
}

Guarded guarded(const Network& network) {
  return {network.bridge, Subnet::parse(network.subnet), network.internal};
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
  return {0x02, 0x74, static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16),
          static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}

Subnet free_subnet(const std::vector<Subnet>& taken, int prefix) {
  for (const char* pool_text : kPools) {
    Subnet pool = Subnet::parse(pool_text);
    Subnet candidate{pool.base, prefix};
    for (; pool.contains(candidate.base); candidate.base.value += candidate.size()) {
      bool is_free = std::none_of(taken.begin(), taken.end(), [&](const Subnet& other) {
        return candidate.overlaps(other);
      });
      if (is_free) return candidate;
    }
  }
  throw base::Error(base::Code::kUnavailable, "no subnet is left for a network", "subnet-in-use")
      .add_help("give one: torte network create --subnet 10.x.y.0/24 NAME");
}

/// Completes what the caller left open. The machine lock is held.
Network define(const StateDirectory& state, Network network, Netlink& route) {
  network.bridge = state.bridge_name(network.name);
  std::vector<Subnet> taken = subnets_in_use(route);
  for (const Network& other : state.list()) taken.push_back(Subnet::parse(other.subnet));
  if (network.subnet.empty()) {
    network.subnet = free_subnet(taken, network.implicit ? kDefaultPrefix : kNamedPrefix).str();
  } else {
    Subnet wanted = Subnet::parse(network.subnet);
    for (const Subnet& other : taken)
      if (wanted.overlaps(other))
        throw base::Error(base::Code::kUnavailable,
                          "subnet " + network.subnet + " overlaps " + other.str() +
                              ", which is in use",
                          "subnet-in-use");
  }
  Subnet subnet = Subnet::parse(network.subnet);
  if (network.gateway.empty()) network.gateway = Ip4{subnet.base.value + 1}.str();
  Ip4 gateway = Ip4::parse(network.gateway);
  if (!subnet.contains(gateway) || gateway == subnet.base)
    throw base::Error(base::Code::kInvalid,
                      "gateway " + network.gateway + " is not an address of " + network.subnet,
                      "bad-address");
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
    // So that 127.0.0.1:PORT of the host leads to a published port; chain raw keeps others out.
    write_setting("/proc/sys/net/ipv4/conf/" + network.bridge + "/route_localnet", "1");
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
      .add_help("torte network create " + base::printable(name) + " makes it, torte network ls lists them");
}

/// Takes back what dead owners left. The lock is held.
Swept sweep_network(const StateDirectory& state, const Network& network, Netlink& route) {
  Swept swept;
  for (auto& lease : state.leases(network)) {
    if (lease.is_live) continue;
    if (!lease.text.ports.empty()) {
      unpublish(lease.text.ports);
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
          if (held.host == port.host && held.protocol == port.protocol &&
              (held.host_address == port.host_address || held.host_address.empty() ||
               port.host_address.empty()))
            throw base::Error(base::Code::kUnavailable,
                              base::str("port ", port.host, "/", name_of(port.protocol),
                                        " of the host is published by container ",
                                        lease.text.hostname.empty() ? lease.text.id
                                                                    : lease.text.hostname),
                              "port-in-use");
}

/// Binds for a moment. 0: the kernel chooses. Returns the port, or minus errno.
int try_bind(const Port& port) {
  bool tcp = port.protocol == Protocol::kTcp;
  sys::UniqueFd socket(::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  if (!socket) return -errno;
  int on = 1;
  if (tcp) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port.host);
  if (!port.host_address.empty())
    address.sin_addr.s_addr = htonl(Ip4::parse(port.host_address).value);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.get(), raw, size) < 0 || ::getsockname(socket.get(), raw, &size) < 0)
    return -errno;
  return ntohs(address.sin_port);
}

}  // namespace

std::vector<Port> choose_host_ports(std::vector<Port> ports) {
  for (Port& port : ports) {
    int result = try_bind(port);
    if (result > 0) {
      port.host = static_cast<uint16_t>(result);
      continue;
    }
    std::string what = base::str("port ", port.host, "/", name_of(port.protocol), " of the host");
    if (result == -EADDRINUSE)
      throw base::Error(base::Code::kUnavailable, what + " is in use by another program",
                        "port-in-use");
    if (result == -EACCES)
      throw base::Error(base::Code::kDenied, what + " may only be opened by root", "port-denied")
          .add_help("sysctl -w net.ipv4.ip_unprivileged_port_start=" + std::to_string(port.host))
          .add_help(base::str("or publish another one: -p ", 8000 + port.host % 1000, ":",
                              port.container));
    if (result == -EADDRNOTAVAIL)
      throw base::Error(base::Code::kInvalid,
                        base::str("publish ", str(port), ": the host has no such address"),
                        "bad-address");
    throw base::SystemError("open " + what, -result);
  }
  return ports;
}

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
  if (is_published_) unpublish(text_.ports);
  if (network_.implicit) return;
  try {
    const StateDirectory state(state_);
    const sys::FileLock lock = state.lock();
    refresh_members(state, network_, text_.id);
  } catch (const base::Error&) {
    // Names that lead nowhere until the next command puts them right.
  }
}

void Attachment::tell_members() const {
  const StateDirectory state(state_);
  const sys::FileLock lock = state.lock();
  refresh_members(state, network_);
}

Attachment attach(const std::filesystem::path& given, const Request& request, const Wiring& wiring,
                  NewNamespace& inside) {
  std::filesystem::path path =
      request.mode == Mode::kNamed ? given : default_directory(given);
  StateDirectory state(path);
  Netlink route(NETLINK_ROUTE);
  std::vector<Port> ports = choose_host_ports(request.ports);
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
  Link bridge = ensure_bridge(state, network, route);
  sweep_network(state, network, route);
  check_ports_free(state, ports);
  std::optional<Ip4> wanted;
  if (request.address) wanted = Ip4::parse(*request.address);
  Lease lease = state.allocate(network, wanted);
  LeaseText text;
  text.id = request.id;
  text.hostname = request.hostname;
  text.aliases = request.aliases;
  text.ports = ports;
  text.link = base::str("e", request.id.substr(0, 12),
                        wiring.number == 0 ? "" : std::to_string(wiring.number));
  text.is_further = wiring.is_further;
  if (wiring.is_further)
    text.hosts_file = wiring.hosts_file;
  else if (!network.implicit || request.keeps_hosts_file)
    text.hosts_file = state.hosts_file(request.id);
  lease.write(text);
  Mac mac = request.mac ? parse_mac(*request.mac) : mac_of(lease.address());
  Attachment attachment(path, network, std::move(lease), text, wiring.interface(), mac);
  if (!ports.empty()) {
    publish(ports, attachment.address());
    attachment.is_published_ = true;
  }
  std::optional<sys::FileLock> unlocked(std::move(lock));
  unlocked.reset();  // the rest is between this container and the kernel

  Veth veth;
  veth.host_name = text.link;
  veth.name = wiring.interface();
  veth.bridge = bridge.index;
  veth.mtu = bridge.mtu;
  veth.mac = mac;
  veth.hairpin = !ports.empty();
  veth.namespace_fd = inside.fd.get();
  try {
    create_veth(route, veth);
  } catch (const base::SystemError& e) {
    if (e.error_number() != EEXIST) throw;
    delete_link(route, veth.host_name);  // of this container's last life
    create_veth(route, veth);
  }
  Ip4 gateway = network.internal || !wiring.default_route ? Ip4{} : Ip4::parse(network.gateway);
  configure(*inside.route, veth.name, attachment.address(), attachment.subnet(), gateway);
  return attachment;
}

Network create_network(const std::filesystem::path& path, const Network& wanted) {
  check_network_name(wanted.name);
  for (const char* reserved : {"none", "host", "private", "default", "container", "ns", "pasta",
                               "slirp4netns", kDefaultNetwork})
    if (wanted.name == reserved)
      throw base::Error(base::Code::kInvalid, wanted.name + " already means something as a network",
                        "bad-network-name");
  StateDirectory state(path);
  Netlink route(NETLINK_ROUTE);
  enable_forwarding();
  sys::FileLock lock = state.lock();
  if (state.find(wanted.name))
    throw base::Error(base::Code::kUnavailable, "there is a network " + wanted.name + " already",
                      "network-exists");
  sys::FileLock machine = lock_machine(state);
  Network made = wanted;
  made.implicit = false;
  made = define(state, made, route);
  state.save(made);
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
    for (Network& network : StateDirectory(directory).list()) networks.push_back(std::move(network));
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
                         lease.text.aliases, lease.text.ports});
  return members;
}

void remove_network(const std::filesystem::path& path, const std::string& name) {
  StateDirectory state(directory_of(path, name));
  Netlink route(NETLINK_ROUTE);
  sys::FileLock lock = state.lock();
  std::optional<Network> network = state.find(name);
  if (!network) throw_missing(name);
  sweep_network(state, *network, route);
  std::string users;
  for (const auto& lease : state.leases(*network))
    if (lease.is_live) users += " " + (lease.text.hostname.empty() ? lease.text.id : lease.text.hostname);
  if (!users.empty())
    throw base::Error(base::Code::kUnavailable, "network " + name + " is used by" + users,
                      "network-in-use");
  unguard(guarded(*network));
  delete_link(route, network->bridge);
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
        put_on_bridge(route, lease.text.link, bridge.index, !lease.text.ports.empty());
      if (lease.text.ports.empty()) continue;
      unpublish(lease.text.ports);
      publish(lease.text.ports, lease.address);
    }
    refresh_members(state, network);
  }
}

}  // namespace

void reload_networks(const std::filesystem::path& path) {
  for (const auto& directory : directories(path)) reload_directory(directory);
}

Swept sweep(const std::filesystem::path& path) {
  Swept total;
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
  return total;
}

}  // namespace network
