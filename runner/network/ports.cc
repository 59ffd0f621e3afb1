#include "runner/network/ports.h"

#include <arpa/inet.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "runner/network/ip6.h"

namespace network {

namespace {

struct Range {
  uint16_t first = 0;
  uint16_t last = 0;
  int size() const { return last - first + 1; }
};

[[noreturn]] void fail(std::string_view text, const std::string& why) {
  throw base::Error(base::Code::kInvalid, base::str("port ", base::printable(text), ": ", why),
                    "bad-port")
      .add_help(
          "[ADDRESS:][HOST:]CONTAINER[/tcp|/udp], ports may be ranges: 8080:80, "
          "127.0.0.1:8000-8003:80-83/udp");
}

uint16_t parse_port(std::string_view text, std::string_view whole) {
  std::optional<uint64_t> number = base::parse_decimal(text);
  if (!number || *number < 1 || *number > 65535)
    fail(whole, base::str(base::printable(text), " is not a port between 1 and 65535"));
  return static_cast<uint16_t>(*number);
}

Range parse_range(std::string_view text, std::string_view whole) {
  size_t dash = text.find('-');
  Range range;
  range.first = parse_port(text.substr(0, dash), whole);
  range.last =
      dash == std::string_view::npos ? range.first : parse_port(text.substr(dash + 1), whole);
  if (range.last < range.first) fail(whole, "the range runs backwards");
  return range;
}

Protocol take_protocol(std::string_view& text, std::string_view whole) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return Protocol::kTcp;
  std::string name = base::to_lower(text.substr(slash + 1));
  text = text.substr(0, slash);
  if (name == "tcp") return Protocol::kTcp;
  if (name == "udp") return Protocol::kUdp;
  fail(whole, "protocol " + base::printable(name) + " cannot be published (tcp or udp)");
}

std::string check_address(std::string_view text, std::string_view whole) {
  std::string address(text);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
    if (!Ip6::is_valid(address)) fail(whole, base::printable(address) + " is not an address");
    return Ip6::parse(address).str();
  }
  if (address.find(':') != std::string::npos)
    fail(whole, "an IPv6 address stands in brackets, [::1]:8080:80");
  in_addr ignored;
  if (::inet_pton(AF_INET, address.c_str(), &ignored) != 1)
    fail(whole, base::printable(address) + " is not an address");
  return address == "0.0.0.0" ? std::string() : address;
}

}  // namespace

std::vector<Port> parse_ports(std::string_view whole) {
  std::string_view text = whole;
  Protocol protocol = take_protocol(text, whole);
  size_t last = text.rfind(':');
  Range container =
      parse_range(last == std::string_view::npos ? text : text.substr(last + 1), whole);
  std::string address;
  std::optional<Range> host;
  if (last != std::string_view::npos) {
    std::string_view front = text.substr(0, last);
    size_t split = front.rfind(':');
    std::string_view ports = split == std::string_view::npos ? front : front.substr(split + 1);
    if (split != std::string_view::npos) address = check_address(front.substr(0, split), whole);
    if (!ports.empty())
      host = parse_range(ports, whole);
    else if (split == std::string_view::npos)
      fail(whole, "the host's port is missing");
  }
  if (host && host->size() != container.size())
    fail(whole, "both ranges must have the same length");
  std::vector<Port> result;
  for (int i = 0; i < container.size(); ++i) {
    Port port;
    port.host_address = address;
    port.host = host ? static_cast<uint16_t>(host->first + i) : uint16_t{0};
    port.container = static_cast<uint16_t>(container.first + i);
    port.protocol = protocol;
    result.push_back(std::move(port));
  }
  return result;
}

std::vector<Port> parse_exposed(std::string_view whole) {
  if (whole.find(':') != std::string_view::npos)
    fail(whole, "only the container's port is given here");
  return parse_ports(whole);
}

std::string_view name_of(Protocol protocol) { return protocol == Protocol::kTcp ? "tcp" : "udp"; }

std::string str(const Port& port) {
  std::string address = port.host_address.empty() ? "0.0.0.0" : port.host_address;
  if (port.is_ip6()) address = base::str("[", address, "]");
  return base::str(address, ":", port.host, "->", port.container, "/", name_of(port.protocol));
}

}  // namespace network
