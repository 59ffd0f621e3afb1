#include "runner/network/ip6.h"

#include <arpa/inet.h>
#include <sys/random.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace network {

namespace {

/// The address with all bits behind the prefix cleared.
Ip6 masked(Ip6 address, int prefix) {
  for (size_t i = 0; i < address.bytes.size(); ++i) {
    const int kept = std::clamp(prefix - static_cast<int>(8 * i), 0, 8);
    address.bytes[i] = static_cast<uint8_t>(address.bytes[i] & (0xff00 >> kept));
  }
  return address;
}

}  // namespace

bool Ip6::is_valid(const std::string& text) {
  in6_addr ignored;
  return ::inet_pton(AF_INET6, text.c_str(), &ignored) == 1;
}

Ip6 Ip6::parse(const std::string& text) {
  Ip6 address;
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) != 1)
    throw base::Error(base::Code::kInvalid, base::printable(text) + " is not an IPv6 address",
                      "bad-address");
  return address;
}

std::string Ip6::str() const {
  char text[INET6_ADDRSTRLEN];
  ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

Ip6 operator+(Ip6 address, uint64_t offset) {
  uint64_t carry = 0;
  for (size_t i = address.bytes.size(); i-- > 0; offset >>= 8) {
    const uint64_t sum = address.bytes[i] + (offset & 0xff) + carry;
    address.bytes[i] = static_cast<uint8_t>(sum);
    carry = sum >> 8;
  }
  return address;
}

Subnet6 Subnet6::parse(const std::string& text) {
  const size_t slash = text.find('/');
  const auto prefix = base::parse_decimal(slash == std::string::npos ? "" : text.substr(slash + 1));
  if (!prefix || *prefix < 16 || *prefix > 124)
    throw base::Error(
        base::Code::kInvalid,
        "subnet " + base::printable(text) + ": expected ADDRESS/PREFIX, prefix 16 to 124",
        "bad-subnet");
  const Subnet6 subnet{Ip6::parse(text.substr(0, slash)), static_cast<int>(*prefix)};
  if (!subnet.contains(subnet.base))
    throw base::Error(base::Code::kInvalid, "subnet " + text + " has bits behind its prefix",
                      "bad-subnet")
        .add_help("did you mean " +
                  Subnet6{masked(subnet.base, subnet.prefix), subnet.prefix}.str() + "?");
  return subnet;
}

Subnet6 Subnet6::unique_local() {
  Subnet6 subnet;
  if (::getrandom(subnet.base.bytes.data(), 8, 0) != 8) base::throw_errno("choose a subnet");
  subnet.base.bytes[0] = 0xfd;
  return subnet;
}

std::string Subnet6::str() const { return base::str(base.str(), "/", prefix); }

bool Subnet6::contains(const Ip6& address) const { return masked(address, prefix) == base; }

std::optional<Ip6> free_address(const Subnet6& subnet, const Ip6& gateway,
                                std::span<const Ip6> taken, uint64_t hint) {
  constexpr int kMostTries = 65536;
  for (int i = 0; i < kMostTries; ++i) {
    const Ip6 address = subnet.base + (hint + static_cast<uint64_t>(i));
    // Past the end of a small range: from its beginning.
    if (!subnet.contains(address)) {
      if (hint <= 1) return std::nullopt;
      return free_address(subnet, gateway, taken, 1);
    }
    if (address == subnet.base || address == gateway) continue;
    if (std::find(taken.begin(), taken.end(), address) == taken.end()) return address;
  }
  return std::nullopt;
}

}  // namespace network
