#include "runner/network/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/text.h"
#include "runner/network/links.h"

namespace network {

namespace {

constexpr uint16_t kPort = 7;
constexpr int kPatienceMs = 2500;  // the kernel asks again after a second

// A bridge with one namespace on it, for as long as it lives.
class Side {
 public:
  Side(std::string bridge, const std::string& subnet)
      : bridge_(std::move(bridge)), subnet_(Subnet::parse(subnet)), inside_(create_namespace()) {
    const Mac mac = {0x02, 0, 0, 0, 0, 1};
    const Mac inner = {0x02, 0, 0, 0, 0, 2};
    create_bridge(route_, bridge_, mac, gateway(), subnet_, kMtu);
    try {
      // Of this interface alone: whether the machine forwards for others is not ours to decide.
      const std::string path = "/proc/sys/net/ipv4/conf/" + bridge_ + "/forwarding";
      sys::UniqueFd setting(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
      if (!setting || ::write(setting.get(), "1", 1) != 1) base::throw_errno("write " + path);
      create_veth(route_, {.host_name = veth(),
                           .bridge = find_link(route_, bridge_)->index,
                           .mtu = kMtu,
                           .mac = inner,
                           .namespace_fd = inside_.fd.get()});
      configure(*inside_.route, "eth0", address(), subnet_, gateway());
    } catch (...) {
      remove();
      throw;
    }
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  ~Side() { remove(); }

  Ip4 address() const { return {subnet_.base.value + 2}; }
  int fd() const { return inside_.fd.get(); }

 private:
  static constexpr uint32_t kMtu = 1500;
  Ip4 gateway() const { return {subnet_.base.value + 1}; }
  std::string veth() const { return bridge_ + "v"; }
  void remove() noexcept {
    for (const std::string& name : {veth(), bridge_}) {
      try {
        delete_link(route_, name);
      } catch (const base::Error&) {
        // Gone with its namespace, or never made.
      }
    }
  }

  std::string bridge_;
  Subnet subnet_;
  Netlink route_{NETLINK_ROUTE};
  NewNamespace inside_;
};

sockaddr_in socket_address(Ip4 address) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(kPort);
  to.sin_addr.s_addr = htonl(address.value);
  return to;
}

sys::UniqueFd tcp_socket() {
  sys::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) base::throw_errno("make a socket");
  return fd;
}

sys::UniqueFd listen_at(Ip4 address) {
  sys::UniqueFd fd = tcp_socket();
  const sockaddr_in at = socket_address(address);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0 ||
      ::listen(fd.get(), 1) < 0)
    base::throw_errno("listen at " + address.str());
  return fd;
}

bool connects_to(Ip4 address) {
  const sys::UniqueFd fd = tcp_socket();
  const sockaddr_in to = socket_address(address);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd waiting = {.fd = fd.get(), .events = POLLOUT, .revents = 0};
  if (::poll(&waiting, 1, kPatienceMs) <= 0) return false;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

}  // namespace

bool forwards_packets() {
  // The first is named as our networks are, so that what a firewall says of those holds for it.
  const int pid = ::getpid() % 10000;
  // Of RFC 2544: for tests of networks, and nobody's. Two of us may ask at the same time.
  const std::string block = base::str("198.", 18 + pid / 8192, ".", pid / 32 % 256, ".");
  Side ours(base::str("torteprb", pid), base::str(block, pid % 32 * 8, "/30"));
  Side elsewhere(base::str("probe", pid), base::str(block, pid % 32 * 8 + 4, "/30"));
  sys::UniqueFd listener;
  run_in_namespace(elsewhere.fd(), [&] { listener = listen_at(elsewhere.address()); });
  bool connected = false;
  run_in_namespace(ours.fd(), [&] { connected = connects_to(elsewhere.address()); });
  return connected;
}

}  // namespace network
