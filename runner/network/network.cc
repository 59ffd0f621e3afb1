#include "runner/network/network.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "runner/network/bridge.h"
#include "runner/network/forwarder.h"
#include "runner/network/holder.h"
#include "runner/network/host_ports.h"
#include "runner/network/members.h"
#include "runner/network/names.h"

namespace network {

struct Connection::State {
  Mode mode = Mode::kNone;
  sys::UniqueFd namespace_fd;
  std::string interface, address, gateway, gateway6, mac;
  std::vector<Port> ports;
  std::string hosts, resolv_conf, warning;
  std::filesystem::path hosts_file;
  bool is_bridged = false;  ///< from the start
  Request request;          ///< where it is bridged: for /etc/hosts when the first network is left
  std::filesystem::path directory;  ///< the state of user-defined networks
  // What is taken back at the end.
  std::list<Attachment> attachments;
  std::optional<Forwarder> forwarder;
  std::optional<HeldPorts> held;  ///< an ordinary user's, on a network with a name
  std::vector<Port> held_ports;   ///< those, as asked

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (!hosts_file.empty()) ::unlink(hosts_file.c_str());
  }
  /// What is said of the container's network is said of the first.
  void note_first();
};

namespace {

using State = Connection::State;

/// Files for a container that has no network of its own making.
void write_plain_names(State& state, const Request& request, bool own_namespace) {
  Surroundings around;
  around.own_namespace = own_namespace;
  if (!own_namespace) around.host_address = "127.0.0.1";
  state.hosts = hosts_text(request, around);
  state.resolv_conf = resolv_text(request, around);
}

std::string without_prefix(const std::string& address) {
  return address.substr(0, address.find('/'));
}

/// The host as a container on a bridge meets it.
HolderNames surroundings_of(const std::filesystem::path& directory, const Network& network) {
  if (bridges_are_here()) return {"", network.gateway};
  HolderNames names = holder_names(directory);
  // There is no way to it either.
  if (network.internal) names = {};
  return names;
}

NewNamespace new_namespace(const Request& request) {
  if (request.namespace_fd < 0) return create_namespace();
  NewNamespace given;
  given.fd = sys::UniqueFd(::fcntl(request.namespace_fd, F_DUPFD_CLOEXEC, 3));
  if (!given.fd) base::throw_errno("keep network namespace");
  given.route.emplace(open_inside(request.namespace_fd));
  return given;
}

std::string own_hosts_text(const Request& request, const Attachment* first,
                           const std::string& host) {
  Surroundings around;
  if (first != nullptr) {
    around.own_address = first->address().str();
    around.own_address6 = without_prefix(first->address6());
  }
  around.host_address = host;
  return hosts_text(request, around);
}

void connect_bridge(State& state, const std::filesystem::path& directory, const Request& request) {
  NewNamespace inside = new_namespace(request);
  state.attachments.push_back(attach(directory, request, {}, inside));
  const Attachment& attachment = state.attachments.front();
  state.note_first();
  state.gateway = attachment.gateway();
  state.gateway6 = attachment.gateway6();
  state.namespace_fd = std::move(inside.fd);
  const HolderNames names = surroundings_of(directory, attachment.network());
  state.hosts = own_hosts_text(request, &attachment, names.gateway);
  Surroundings around;
  around.forwarded_dns = names.name_server;
  state.resolv_conf = resolv_text(request, around);
  state.is_bridged = true;
  if (attachment.hosts_file().empty()) return;
  state.request = request;
  state.directory = directory;
  state.hosts_file = attachment.hosts_file();
  create_hosts_file(state.hosts_file, state.hosts);
  attachment.tell_members();
}

/// Ports of an ordinary user's, which are opened on the machine's side of a forwarder.
std::vector<Port> choose_forwarded(const std::vector<Port>& ports) {
  for (const Port& port : ports)
    if (port.is_ip6())
      throw base::Error(base::Code::kUnsupported,
                        "publish " + str(port) + ": IPv6 needs a network of root's that has it",
                        "no-ipv6");
  return choose_host_ports(ports, false);
}

/// A network with a name of an ordinary user: on the holder's side a port is published on every
/// address, on the machine's on the one that was asked for.
void connect_held(State& state, const std::filesystem::path& directory, const Request& given) {
  get_network(directory, given.name);
  Request request = given;
  request.ports = choose_forwarded(given.ports);
  state.held_ports = request.ports;
  for (Port& port : request.ports) port.host_address.clear();
  connect_bridge(state, directory, request);
  if (!request.ports.empty()) state.held.emplace(directory, state.held_ports);
  state.note_first();
}

void connect_forwarder(State& state, const std::filesystem::path& directory, const Request& given) {
  Request request = given;
  request.ports = choose_forwarded(given.ports);
  NewNamespace inside = new_namespace(request);
  bring_up_loopback(*inside.route);
  state.forwarder.emplace(Forwarder::start(request, inside, directory));
  const Forwarder& forwarder = *state.forwarder;
  state.interface = forwarder.interface();
  state.address = forwarder.address();
  state.gateway = forwarder.gateway();
  state.ports = request.ports;
  state.namespace_fd = std::move(inside.fd);
  Surroundings around;
  around.own_address = without_prefix(forwarder.address());
  around.host_address = forwarder.gateway();
  around.forwarded_dns = forwarder.name_server();
  state.hosts = hosts_text(request, around);
  state.resolv_conf = resolv_text(request, around);
}

void join(State& state, const Request& request) {
  state.namespace_fd = sys::UniqueFd(::open(request.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!state.namespace_fd) base::throw_errno("open network namespace " + request.path.string());
  constexpr unsigned long kGetType = 0xb703;                      // NS_GET_NSTYPE of linux/nsfs.h
  if (::ioctl(state.namespace_fd.get(), kGetType) != 0x40000000)  // CLONE_NEWNET
    throw base::Error(base::Code::kInvalid,
                      base::printable(request.path.string()) + " is not a network namespace",
                      "not-a-namespace");
  Netlink inside = open_inside(state.namespace_fd.get());
  Surroundings around;
  if (auto address = find_address(inside, state.interface)) {
    state.address = *address;
    around.own_address = without_prefix(*address);
  }
  state.hosts = hosts_text(request, around);
  state.resolv_conf = resolv_text(request, around);
}

void refuse_unsuitable(const Request& request) {
  bool wired = request.mode == Mode::kPrivate || request.mode == Mode::kNamed ||
               request.mode == Mode::kPasta || request.mode == Mode::kSlirp;
  if (!request.ports.empty() && !wired)
    throw base::Error(base::Code::kInvalid,
                      "ports can only be published on a network of the container's own",
                      "ports-without-network");
  bool bridged =
      request.mode == Mode::kNamed || (request.mode == Mode::kPrivate && bridges_are_here());
  if ((request.address || request.address6 || request.mac) && !bridged)
    throw base::Error(
        base::Code::kUnsupported,
        "--ip, --ip6 and --mac-address need a network with a name, or root's default one",
        "no-fixed-address");
  if (!request.aliases.empty() && request.mode != Mode::kNamed)
    throw base::Error(base::Code::kInvalid, "--network-alias needs a user-defined network",
                      "alias-without-network");
  for (const std::string& alias : request.aliases) check_host_name(alias);
  for (const std::string* name : {&request.hostname, &request.domainname})
    if (!name->empty()) check_host_name(*name);
}

void connect_as_asked(State& state, const std::filesystem::path& directory,
                      const Request& request) {
  const bool is_root = bridges_are_here();
  switch (request.mode) {
    case Mode::kNone:
      return write_plain_names(state, request, true);
    case Mode::kHost:
      return write_plain_names(state, request, false);
    case Mode::kJoin:
      return join(state, request);
    case Mode::kPrivate:
      return is_root ? connect_bridge(state, directory, request)
                     : connect_forwarder(state, directory, request);
    case Mode::kNamed:
      return is_root ? connect_bridge(state, directory, request)
                     : connect_held(state, directory, request);
    case Mode::kPasta:
    case Mode::kSlirp:
      return connect_forwarder(state, directory, request);
  }
}

/// What makes a private network impossible on this machine, as opposed to wrong input.
bool is_machines_fault(const base::Error& e) {
  if (e.id() == "no-private-network" || e.id() == "no-nftables") return true;
  const auto* system = dynamic_cast<const base::SystemError*>(&e);
  if (system == nullptr) return false;
  int error = system->error_number();
  return error == EPERM || error == EACCES || error == EOPNOTSUPP || error == EROFS;
}

}  // namespace

void Connection::State::note_first() {
  const Attachment* first = attachments.empty() ? nullptr : &attachments.front();
  interface = first == nullptr ? "" : first->interface();
  address = first == nullptr ? "" : base::str(first->address().str(), "/", first->subnet().prefix);
  mac = first == nullptr ? "" : str(first->mac());
  const bool publishes = first != nullptr && !first->ports().empty();
  if (!publishes) held.reset();
  if (!publishes)
    ports.clear();
  else
    ports = held ? held_ports : first->ports();
}

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Mode Connection::mode() const { return state_->mode; }
int Connection::namespace_fd() const { return state_->namespace_fd.get(); }
void Connection::release_namespace() { state_->namespace_fd.reset(); }
const std::string& Connection::interface() const { return state_->interface; }
const std::string& Connection::address() const { return state_->address; }
const std::string& Connection::gateway() const { return state_->gateway; }
const std::string& Connection::mac() const { return state_->mac; }
const std::vector<Port>& Connection::ports() const { return state_->ports; }
const std::string& Connection::hosts() const { return state_->hosts; }
const std::string& Connection::resolv_conf() const { return state_->resolv_conf; }
const std::filesystem::path& Connection::hosts_file() const { return state_->hosts_file; }
const std::string& Connection::warning() const { return state_->warning; }

std::vector<Membership> Connection::memberships() const {
  std::vector<Membership> all;
  for (const Attachment& one : state_->attachments)
    all.push_back({one.network().name, one.interface(),
                   base::str(one.address().str(), "/", one.subnet().prefix), one.gateway(),
                   str(one.mac()), one.aliases(), one.address6(), one.gateway6()});
  return all;
}

void Connection::join(const std::filesystem::path& directory, const Request& given,
                      int namespace_fd) {
  State& state = *state_;
  if (!state.is_bridged)
    throw base::Error(
        base::Code::kUnsupported,
        "the container was not started on a bridge, so it can join none while it runs", "no-bridge")
        .add_help("stop it first: it is on the network at its next start");
  if (given.mode == Mode::kPrivate && !bridges_are_here())
    throw base::Error(base::Code::kUnsupported,
                      "the default network of an ordinary user is no bridge", "no-bridge");
  Request request = given;
  request.namespace_fd = namespace_fd;
  Wiring wiring{.is_further = true,
                .default_route = state.gateway.empty(),
                .default_route6 = state.gateway6.empty(),
                .hosts_file = state.hosts_file};
  auto is_taken = [&] {
    return std::any_of(
        state.attachments.begin(), state.attachments.end(),
        [&](const Attachment& one) { return one.interface() == wiring.interface(); });
  };
  while (is_taken()) ++wiring.number;
  NewNamespace inside = new_namespace(request);
  state.attachments.push_back(attach(directory, request, wiring, inside));
  const Attachment& joined = state.attachments.back();
  if (state.gateway.empty()) state.gateway = joined.gateway();
  if (state.gateway6.empty()) state.gateway6 = joined.gateway6();
  state.note_first();
  joined.tell_members();
}

void Connection::leave(const std::string& network, int namespace_fd) {
  State& state = *state_;
  const auto left =
      std::find_if(state.attachments.begin(), state.attachments.end(),
                   [&](const Attachment& one) { return one.network().name == network; });
  if (left == state.attachments.end())
    throw base::Error(base::Code::kNotFound,
                      "the container is not on network " + base::printable(network),
                      "not-on-network");
  Netlink inside = open_inside(namespace_fd);
  delete_link(inside, left->interface());
  const bool was_way_out = !state.gateway.empty() && state.gateway == left->gateway();
  const bool was_way_out6 = !state.gateway6.empty() && state.gateway6 == left->gateway6();
  const bool had_own_text = !left->is_further();
  const std::string host = surroundings_of(state.directory, left->network()).gateway;
  state.attachments.erase(left);
  state.note_first();
  if (was_way_out) state.gateway.clear();
  if (was_way_out6) state.gateway6.clear();
  for (const Attachment& other : state.attachments) {
    if (state.gateway6.empty() && !other.gateway6().empty()) {
      set_default_route6(inside, other.interface(), Ip6::parse(other.gateway6()));
      state.gateway6 = other.gateway6();
    }
    if (!state.gateway.empty() || other.gateway().empty()) continue;
    set_default_route(inside, other.interface(), Ip4::parse(other.gateway()));
    state.gateway = other.gateway();
  }
  if (state.hosts_file.empty()) return;
  // Members of other networks may be writing to the same file.
  const sys::FileLock lock = StateDirectory(state.directory).lock();
  remove_section(state.hosts_file, network);
  // The others' lines say where it is now.
  if (had_own_text)
    rewrite_own_text(state.hosts_file, own_hosts_text(state.request, nullptr, host));
}

Connection connect(const std::filesystem::path& directory, const Request& request) {
  refuse_unsuitable(request);
  auto state = std::make_unique<State>();
  state->mode = request.mode;
  try {
    connect_as_asked(*state, directory, request);
    return Connection(std::move(state));
  } catch (base::Error& e) {
    if (!is_machines_fault(e)) {
      e.add_context("network");
      throw;
    }
    bool may_fall_back = request.may_fall_back && request.ports.empty();
    if (!may_fall_back) {
      e.add_context("no private network");
      e.set_id("no-private-network");
      e.add_help("--network none and --network host work everywhere");
      throw;
    }
    auto none = std::make_unique<State>();
    Request plain = request;
    plain.mode = Mode::kNone;
    write_plain_names(*none, plain, true);
    none->warning = base::str("no network in the container: ", e.what());
    return Connection(std::move(none));
  }
}

std::string network_name(const Request& request) {
  if (request.mode == Mode::kNamed) return request.name;
  return request.mode == Mode::kPrivate ? kDefaultNetwork : "";
}

Request parse_mode(const std::string& text) {
  Request request;
  size_t colon = text.find(':');
  std::string word = text.substr(0, colon);
  std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  auto plain = [&](Mode mode) {
    if (colon != std::string::npos)
      throw base::Error(base::Code::kInvalid,
                        "network " + base::printable(text) + ": " + word + " takes no options",
                        "bad-network");
    request.mode = mode;
    return request;
  };
  if (word == "none") return plain(Mode::kNone);
  if (word == "host") return plain(Mode::kHost);
  if (word == "private" || word == "default" || word == kDefaultNetwork)
    return plain(Mode::kPrivate);
  if (word == "pasta" || word == "slirp4netns") {
    request.mode = word == "pasta" ? Mode::kPasta : Mode::kSlirp;
    for (const std::string& argument : base::split(rest, ','))
      if (!argument.empty()) request.arguments.push_back(argument);
    return request;
  }
  if (word == "ns") {
    if (rest.empty() || rest[0] != '/')
      throw base::Error(base::Code::kInvalid, "network ns: needs an absolute path, ns:/PATH",
                        "bad-network");
    request.mode = Mode::kJoin;
    request.path = rest;
    return request;
  }
  if (word == "container")
    throw base::Error(base::Code::kUnsupported,
                      "joining the network of another container by name is not built yet",
                      "network-unsupported")
        .add_help("ns:/proc/PID/ns/net joins that of a process");
  check_network_name(text);
  request.mode = Mode::kNamed;
  request.name = text;
  return request;
}

}  // namespace network
