#include "runner/network/host_ports.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/text.h"
#include "runner/network/ip6.h"
#include "runner/network/links.h"

namespace network {

namespace {

/// Binds for a moment. 0: the kernel chooses. Returns the port, or minus errno.
int try_bind(const Port& port, bool is_ip6) {
  const bool tcp = port.protocol == Protocol::kTcp;
  const sys::UniqueFd socket(
      ::socket(is_ip6 ? AF_INET6 : AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  if (!socket) return -errno;
  const int on = 1;
  if (tcp) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage = {};
  socklen_t size = is_ip6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (is_ip6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port.host);
    if (port.is_ip6()) memcpy(&address.sin6_addr, Ip6::parse(port.host_address).bytes.data(), 16);
  } else {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(port.host);
    if (!port.host_address.empty())
      address.sin_addr.s_addr = htonl(Ip4::parse(port.host_address).value);
  }
  auto* raw = reinterpret_cast<sockaddr*>(&storage);
  if (::bind(socket.get(), raw, size) < 0 || ::getsockname(socket.get(), raw, &size) < 0)
    return -errno;
  // The port is at the same place in both.
  return ntohs(reinterpret_cast<sockaddr_in&>(storage).sin_port);
}

/// The port on all the kinds of addresses it is published on, or minus errno.
int try_everywhere(const Port& port, bool with_ip6) {
  if (port.is_ip6()) return try_bind(port, true);
  // What the kernel chooses for one kind may be taken on the other.
  constexpr int kMostTries = 16;
  int result = -EADDRINUSE;
  for (int i = 0; i < (port.host == 0 ? kMostTries : 1); ++i) {
    result = try_bind(port, false);
    if (result < 0 || !with_ip6 || !port.host_address.empty()) return result;
    Port same = port;
    same.host = static_cast<uint16_t>(result);
    result = try_bind(same, true);
    if (result != -EADDRINUSE) return result;
  }
  return result;
}

[[noreturn]] void throw_unusable(const Port& port, int error) {
  const std::string what =
      base::str("port ", port.host, "/", name_of(port.protocol), " of the host");
  if (error == EADDRINUSE)
    throw base::Error(base::Code::kUnavailable, what + " is in use by another program",
                      "port-in-use");
  if (error == EACCES)
    throw base::Error(base::Code::kDenied, what + " may only be opened by root", "port-denied")
        .add_help("sysctl -w net.ipv4.ip_unprivileged_port_start=" + std::to_string(port.host))
        .add_help(
            base::str("or publish another one: -p ", 8000 + port.host % 1000, ":", port.container));
  if (error == EADDRNOTAVAIL)
    throw base::Error(base::Code::kInvalid,
                      base::str("publish ", str(port), ": the host has no such address"),
                      "bad-address");
  throw base::SystemError("open " + what, error);
}

}  // namespace

std::vector<Port> choose_host_ports(std::vector<Port> ports, bool with_ip6) {
  for (Port& port : ports) {
    const int result = try_everywhere(port, with_ip6);
    if (result < 0) throw_unusable(port, -result);
    port.host = static_cast<uint16_t>(result);
  }
  return ports;
}

bool overlap(const Port& one, const Port& other) {
  if (one.host != other.host || one.protocol != other.protocol) return false;
  if (one.host_address.empty() || other.host_address.empty()) return true;
  if (one.host_address == other.host_address) return true;
  return one.is_ip6() && other.is_ip6() && (one.host_address == "::" || other.host_address == "::");
}

}  // namespace network
