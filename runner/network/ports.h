#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace network {

enum class Protocol { kTcp, kUdp };

/// One published port: what arrives at the host's port goes to the container's.
struct Port {
  /// IPv4, or IPv6 ("::": every IPv6 address of the host); empty: every address of the host that
  /// the network's kind of addresses reaches.
  std::string host_address;
  uint16_t host = 0;  ///< 0: connect() chooses a free one
  uint16_t container = 0;
  Protocol protocol = Protocol::kTcp;

  bool is_ip6() const { return host_address.find(':') != std::string::npos; }
  bool operator==(const Port&) const = default;
};

/// "[ADDRESS:][HOST]:CONTAINER[/PROTOCOL]" or "CONTAINER", an IPv6 address in brackets; both ports
/// may be ranges of one length
/// ("8000-8003:80-83"), which gives one Port each. Throws Invalid saying what is wrong.
/// [spec/cli.md 4 `-p`]
std::vector<Port> parse_ports(std::string_view text);

/// "80", "80/udp", "8000-8010": container ports as EXPOSE and --expose write them; host ports are
/// 0.
std::vector<Port> parse_exposed(std::string_view text);

/// "0.0.0.0:8080->80/tcp", "[::1]:8080->80/tcp".
std::string str(const Port& port);
std::string_view name_of(Protocol protocol);

}  // namespace network
