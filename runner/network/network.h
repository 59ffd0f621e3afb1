#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sys/fd.h"
#include "runner/network/ports.h"

/// Networks of containers: a namespace wired as asked, and everything undone when its owner goes.
///
///   network::Request request;
///   request.mode = network::Mode::kPrivate;
///   request.id = "0123456789ab";
///   network::Connection net = network::connect(run_root / "net", request);
///   spec.network_namespace = net.namespace_fd();   // launch::Network::kJoin
///   spec.hosts = net.hosts();
///   launch::Container container = launch::launch(std::move(spec));
///   net.release_namespace();                       // from now on only the container keeps it
///   alive
///   ...                                            // the Connection lives as long as the
///   container
///
/// Root gets a bridge, a veth pair and address translation in nftables; an ordinary user's
/// namespace is served by pasta or slirp4netns. What a killed owner leaves is found by the next
/// command: each lease is a locked file, and a lock that nobody holds belongs to nobody. Deleting
/// the namespace deletes the veth pair; nobody waits for that. [spec/network.md]
namespace network {

enum class Mode {
  kNone,  ///< a namespace with loopback alone, which launch makes itself (launch::Network::kNone)
  kHost,  ///< the machine's own (launch::Network::kHost)
  kPrivate,  ///< root: the default bridge; ordinary user: pasta, else slirp4netns
  kNamed,    ///< the user-defined network `Request::name`
  kJoin,     ///< the namespace at `Request::path` (a process's /proc/PID/ns/net, a bind mount)
  kPasta,    ///< pasta with `Request::arguments`
  kSlirp,    ///< slirp4netns with `Request::arguments`
};

/// What a container wants. A value; nothing happens until connect().
struct Request {
  Mode mode = Mode::kPrivate;
  std::string name;                    ///< kNamed
  std::filesystem::path path;          ///< kJoin
  std::vector<std::string> arguments;  ///< kPasta, kSlirp: added to ours
  /// With kPrivate: where no private network can be made, a namespace with loopback alone instead
  /// of an error; Connection::warning() says so. Never with `ports`.
  bool may_fall_back = false;

  /// On a bridge: others that are apart cannot reach it, nor it them. For steps of builds, which
  /// have nothing to say to each other.
  bool is_apart = false;

  std::string id;  ///< of the container, at least 12 hex digits, unique
  std::string hostname;
  std::string domainname;               ///< what the host name is in, for its own /etc/hosts
  std::vector<std::string> aliases;     ///< more names on a user-defined network
  std::optional<std::string> address;   ///< --ip: this IPv4 address of the network
  std::optional<std::string> address6;  ///< --ip6: this IPv6 address of the network
  std::optional<std::string> mac;       ///< --mac-address: "02:00:0a:59:00:02"
  std::vector<Port> ports;

  /// /etc/hosts is a file that changes with the networks the container joins, also on the default
  /// one.
  bool keeps_hosts_file = false;

  /// A new network namespace to be wired, borrowed; -1: one is made. For containers with a user
  /// namespace of their own, to which it must belong.
  int namespace_fd = -1;
  /// name -> address; "host-gateway" is the host as the container sees it.
  std::vector<std::pair<std::string, std::string>> extra_hosts;
  std::vector<std::string> dns;  ///< name servers instead of the host's
  std::vector<std::string> dns_search;
  std::vector<std::string> dns_options;
};

/// The network that a request names: kDefaultNetwork, or the user-defined one's name; empty for
/// modes that are no bridge.
std::string network_name(const Request& request);

/// Reads `--network` of run: "none", "host", "private", "bridge", "default", "container:PATH" is
/// the caller's, "ns:PATH", "pasta[:ARG,..]", "slirp4netns[:ARG,..]", else the name of a network.
/// Only mode, name, path and arguments are set. Throws Invalid.
Request parse_mode(const std::string& text);

/// One bridge network that a container is on.
struct Membership {
  std::string network;  ///< its name
  std::string interface;
  std::string address;  ///< with prefix length
  std::string gateway;  ///< empty: no way out
  std::string mac;
  std::vector<std::string> aliases;
  std::string address6;  ///< with prefix length; empty: the network has no IPv6
  std::string gateway6;
};

/// A wired namespace. Dropping it takes back what the host keeps for it: published ports, the
/// address, the forwarder. Move-only; one thread at a time.
class Connection {
 public:
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  /// What came of the request: as asked, or kNone after falling back.
  Mode mode() const;
  /// To be joined by the container (launch::Network::kJoin); -1 with kNone and kHost.
  int namespace_fd() const;
  /// Lets go of the namespace, so that it ends with its last process. namespace_fd() is -1 then.
  void release_namespace();

  /// "eth0", or the forwarder's interface; empty without one.
  const std::string& interface() const;
  /// IPv4 of the container with prefix length, "10.89.0.2/22"; empty without one.
  const std::string& address() const;
  const std::string& gateway() const;
  const std::string& mac() const;
  /// As asked, with the host ports that were chosen.
  const std::vector<Port>& ports() const;

  /// Texts of /etc/hosts and /etc/resolv.conf.
  const std::string& hosts() const;
  const std::string& resolv_conf() const;
  /// On a user-defined network, or where the request says so: the file to bind at /etc/hosts
  /// instead of hosts(), rewritten when members come and go; empty otherwise. It lives as long as
  /// this Connection.
  const std::filesystem::path& hosts_file() const;

  /// The bridge networks it is on, the first one first.
  std::vector<Membership> memberships() const;
  /// Wires the namespace to one more bridge network; mode, name, aliases, addresses and mac of
  /// `request` count. Throws Unsupported (id "no-bridge") when it was not on a bridge from the
  /// start.
  void join(const std::filesystem::path& state, const Request& request, int namespace_fd);
  /// Takes it off a network; ports that were published there are not any more. Throws NotFound.
  void leave(const std::string& network, int namespace_fd);

  /// One line about what was not possible (fall back); empty when all is as asked.
  const std::string& warning() const;

  struct State;
  explicit Connection(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// Makes and wires the namespace. `state` is a directory of ours below the run root, created when
/// missing; the default network of root is remembered in /run/torte/net, whatever the run root.
/// Throws Unsupported (id "no-private-network") with advice where the machine cannot do it,
/// Unavailable (id "port-in-use", "no-free-address", "address-in-use"), NotFound (id
/// "network-missing"), SystemError. May be called by several threads and processes at once.
Connection connect(const std::filesystem::path& state, const Request& request);

/// A user-defined network, or the default one.
struct Network {
  std::string name;
  std::string bridge;   ///< interface of the host
  std::string subnet;   ///< "10.89.4.0/24"
  std::string gateway;  ///< the bridge's address
  bool ipv6 = false;
  std::string subnet6;  ///< "fd12:3456:789a:1::/64", with ipv6
  std::string gateway6;
  bool internal = false;  ///< no way out
  uint32_t mtu = 0;       ///< 0: the default route's
  bool implicit = false;  ///< the default network, made when first needed
  int64_t created = 0;    ///< seconds since the epoch
  std::vector<std::pair<std::string, std::string>> labels;
};

/// A container on a network, as its lease says.
struct Member {
  std::string id;
  std::string hostname;
  std::string address;   ///< without prefix length
  std::string address6;  ///< likewise; empty: none
  std::vector<std::string> aliases;
  std::vector<Port> ports;
};

/// The name of the default network: "bridge".
extern const char* const kDefaultNetwork;

/// Makes a network; of `wanted` count name, ipv6, subnets and gateways (empty: chosen), internal,
/// mtu, labels. Throws Invalid, or Unavailable (id "network-exists", "subnet-in-use").
Network create_network(const std::filesystem::path& state, const Network& wanted);
/// All networks, by name.
std::vector<Network> list_networks(const std::filesystem::path& state);
std::optional<Network> find_network(const std::filesystem::path& state, const std::string& name);
/// Throws NotFound (id "network-missing").
Network get_network(const std::filesystem::path& state, const std::string& name);
/// Live containers on it.
std::vector<Member> list_members(const std::filesystem::path& state, const Network& network);
/// Takes the network, its bridge and its rules away. Throws NotFound, or Unavailable (id
/// "network-in-use") while it has members.
void remove_network(const std::filesystem::path& state, const std::string& name);
/// Puts rules and bridges back after somebody flushed them.
void reload_networks(const std::filesystem::path& state);

/// What sweep() found and took away.
struct Swept {
  int leases = 0;
  int ports = 0;
};
/// Takes back what killed commands left. Every connect() does it too.
Swept sweep(const std::filesystem::path& state);

}  // namespace network
