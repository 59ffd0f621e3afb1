#include "builder/dockerfile/ports.h"

#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace dockerfile {

std::vector<std::string> Port::keys() const {
  std::vector<std::string> out;
  for (uint32_t number = first; number <= last; ++number)
    out.push_back(base::str(number, "/", protocol));
  return out;
}

Port parse_port(std::string_view text) {
  auto fail = [&](const char* why) {
    throw base::Error(base::Code::kInvalid,
                      base::str("EXPOSE \"", base::printable(text, 60), "\": ", why),
                      "invalid-port");
  };
  Port out;
  std::string_view numbers = text.substr(0, text.find('/'));
  if (numbers.size() < text.size()) {
    std::string_view protocol = text.substr(numbers.size() + 1);
    std::string lower = base::to_lower(protocol);
    out.protocol_has_upper = lower != protocol;
    if (!lower.empty()) out.protocol = lower;
    if (out.protocol != "tcp" && out.protocol != "udp" && out.protocol != "sctp")
      fail("the protocol must be tcp, udp or sctp");
  }
  if (size_t colon = numbers.rfind(':'); colon != std::string_view::npos) {
    out.has_host_part = true;
    numbers.remove_prefix(colon + 1);
  }
  size_t dash = numbers.find('-');
  std::optional<uint64_t> first = base::parse_decimal(numbers.substr(0, dash));
  std::optional<uint64_t> last =
      dash == std::string_view::npos ? first : base::parse_decimal(numbers.substr(dash + 1));
  if (!first || !last || *first > 65535 || *last > 65535)
    fail("a port is a number from 0 to 65535");
  if (*last < *first) fail("the range runs backwards");
  out.first = static_cast<uint16_t>(*first);
  out.last = static_cast<uint16_t>(*last);
  return out;
}

}  // namespace dockerfile
