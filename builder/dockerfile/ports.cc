#include "builder/dockerfile/ports.h"

#include <arpa/inet.h>

#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace dockerfile {

namespace {

struct Range {
  uint16_t first, last;
};

// "80" or "80-82"; nullopt for anything else, a range that runs backwards included.
std::optional<Range> read_range(std::string_view text) {
  size_t dash = text.find('-');
  std::optional<uint64_t> first = base::parse_decimal(text.substr(0, dash));
  std::optional<uint64_t> last =
      dash == std::string_view::npos ? first : base::parse_decimal(text.substr(dash + 1));
  if (!first || !last || *first > *last || *last > 65535) return std::nullopt;
  return Range{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

bool is_address(std::string text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  in6_addr address;
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

}  // namespace

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
  size_t colon = numbers.rfind(':');
  std::optional<Range> range =
      read_range(colon == std::string_view::npos ? numbers : numbers.substr(colon + 1));
  if (!range) fail("a port is a number from 0 to 65535, or a range of them");
  out.first = range->first;
  out.last = range->last;
  if (colon == std::string_view::npos) return out;
  // What is said of the host is not kept, but must make sense.
  out.has_host_part = true;
  std::string_view host = numbers.substr(0, colon);
  size_t before = host.rfind(':');
  if (before != std::string_view::npos && before > 0 &&
      !is_address(std::string(host.substr(0, before))))
    fail("what stands before the ports is no address");
  std::string_view ports = before == std::string_view::npos ? host : host.substr(before + 1);
  std::optional<Range> of_host = read_range(ports);
  if (!ports.empty() && !of_host) fail("the port of the host is no number from 0 to 65535");
  if (of_host && out.first != out.last && of_host->last - of_host->first != out.last - out.first)
    fail("the two ranges differ in length");
  return out;
}

}  // namespace dockerfile
