#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dockerfile {

/// One item of EXPOSE after expansion.
struct Port {
  uint16_t first = 0, last = 0;
  std::string protocol = "tcp";     ///< tcp, udp or sctp
  bool protocol_has_upper = false;  ///< check ExposeProtoCasing
  bool has_host_part = false;       ///< `ip:host:container`, check ExposeInvalidFormat

  /// "80/tcp", one for each port of the range: keys of ExposedPorts.
  std::vector<std::string> keys() const;
};

/// Throws Invalid, id "invalid-port".
Port parse_port(std::string_view text);

}  // namespace dockerfile
