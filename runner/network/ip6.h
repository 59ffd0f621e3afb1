#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace network {

/// An IPv6 address, most significant byte first.
struct Ip6 {
  std::array<uint8_t, 16> bytes = {};

  /// Throws Invalid. Zones ("%eth0") are none of an address.
  static Ip6 parse(const std::string& text);
  static bool is_valid(const std::string& text);
  std::string str() const;  ///< in its shortest form
  bool operator==(const Ip6&) const = default;
};

/// The address `offset` behind another one.
Ip6 operator+(Ip6 address, uint64_t offset);

/// fd12:3456:789a:1::/64.
struct Subnet6 {
  Ip6 base;
  int prefix = 64;

  /// Throws Invalid; bits behind the prefix must be zero, the prefix between 16 and 124.
  static Subnet6 parse(const std::string& text);
  /// A range for one network that nobody else has: 56 bits of it are random. [RFC 4193]
  static Subnet6 unique_local();
  std::string str() const;
  bool contains(const Ip6& address) const;
  bool overlaps(const Subnet6& other) const { return contains(other.base) || other.contains(base); }
};

/// An address for a container: the one `hint` behind the base where it is free, else the next free
/// one; nullopt when a search of 65,536 finds none. Neither the base nor the gateway is one.
std::optional<Ip6> free_address(const Subnet6& subnet, const Ip6& gateway,
                                std::span<const Ip6> taken, uint64_t hint);

}  // namespace network
