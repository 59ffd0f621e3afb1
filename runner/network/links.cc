#include "runner/network/links.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <span>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace network {

namespace {

constexpr size_t kLinkHeader = sizeof(ifinfomsg);

uint32_t wire(Ip4 address) { return htonl(address.value); }

ifinfomsg link_up(int index = 0) {
  ifinfomsg header = {};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  return header;
}

Message add_address(int index, Ip4 address, const Subnet& subnet, const std::string& name) {
  ifaddrmsg header = {};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = static_cast<uint8_t>(subnet.prefix);
  header.ifa_index = static_cast<uint32_t>(index);
  Ip4 broadcast{subnet.base.value | ~subnet.mask()};
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "give " + name + " its address");
  message.header(header)
      .number(IFA_LOCAL, wire(address))
      .number(IFA_ADDRESS, wire(address))
      .number(IFA_BROADCAST, wire(broadcast))
      .tolerate(EEXIST);
  return message;
}

std::optional<Ip6> find_ip6(const Answer& answer, size_t header_size, uint16_t type) {
  const auto bytes = answer.find(header_size, type);
  Ip6 address;
  if (!bytes || bytes->size() != address.bytes.size()) return std::nullopt;
  memcpy(address.bytes.data(), bytes->data(), address.bytes.size());
  return address;
}

std::optional<Ip4> find_ip4(const Answer& answer, size_t header_size, uint16_t type) {
  std::optional<uint32_t> number = answer.find_number(header_size, type);
  if (!number) return std::nullopt;
  return Ip4{ntohl(*number)};
}

}  // namespace

Ip4 Ip4::parse(const std::string& text) {
  in_addr address;
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1)
    throw base::Error(base::Code::kInvalid, base::printable(text) + " is not an IPv4 address",
                      "bad-address");
  return {ntohl(address.s_addr)};
}

std::string Ip4::str() const {
  return base::str(value >> 24, ".", (value >> 16) & 255, ".", (value >> 8) & 255, ".",
                   value & 255);
}

Subnet Subnet::parse(const std::string& text) {
  size_t slash = text.find('/');
  auto prefix = base::parse_decimal(slash == std::string::npos ? "" : text.substr(slash + 1));
  if (!prefix || *prefix < 8 || *prefix > 30)
    throw base::Error(
        base::Code::kInvalid,
        "subnet " + base::printable(text) + ": expected ADDRESS/PREFIX, prefix 8 to 30",
        "bad-subnet");
  Subnet subnet{Ip4::parse(text.substr(0, slash)), static_cast<int>(*prefix)};
  if (!subnet.contains(subnet.base)) {
    Subnet whole{{subnet.base.value & subnet.mask()}, subnet.prefix};
    throw base::Error(base::Code::kInvalid, "subnet " + text + " has bits behind its prefix",
                      "bad-subnet")
        .add_help("did you mean " + whole.str() + "?");
  }
  return subnet;
}

std::string Subnet::str() const { return base::str(base.str(), "/", prefix); }

Mac parse_mac(const std::string& text) {
  Mac mac;
  std::vector<std::string> parts = base::split(text, ':');
  bool good = parts.size() == mac.size();
  for (size_t i = 0; good && i < mac.size(); ++i) {
    good = parts[i].size() == 2 &&
           parts[i].find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    if (good) mac[i] = static_cast<uint8_t>(std::stoul(parts[i], nullptr, 16));
  }
  if (!good || (mac[0] & 1) != 0)
    throw base::Error(base::Code::kInvalid,
                      base::printable(text) + " is not the MAC address of one interface",
                      "bad-mac");
  return mac;
}

std::string str(const Mac& mac) {
  char text[18];
  snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
           mac[4], mac[5]);
  return text;
}

std::optional<Link> find_link(Netlink& route, const std::string& name) {
  Message message(RTM_GETLINK, 0, "look up interface " + name);
  message.header(ifinfomsg{}).text(IFLA_IFNAME, name).tolerate(ENODEV);
  auto answers = route.ask(std::move(message));
  if (!answers || answers->empty()) return std::nullopt;
  const Answer& answer = answers->front();
  Link link;
  link.index = answer.header<ifinfomsg>().ifi_index;
  link.name = name;
  link.mtu = answer.find_number(kLinkHeader, IFLA_MTU).value_or(1500);
  return link;
}

void delete_link(Netlink& route, const std::string& name) {
  Message message(RTM_DELLINK, 0, "remove interface " + name);
  message.header(ifinfomsg{}).text(IFLA_IFNAME, name).tolerate(ENODEV);
  route.perform(std::move(message));
}

std::vector<Subnet> subnets_in_use(Netlink& route) {
  std::vector<Subnet> found;
  rtmsg any_route = {};
  any_route.rtm_family = AF_INET;
  Message routes(RTM_GETROUTE, NLM_F_DUMP, "list routes");
  routes.header(any_route);
  for (const Answer& answer : route.ask(std::move(routes)).value_or(std::vector<Answer>())) {
    auto header = answer.header<rtmsg>();
    std::optional<Ip4> target = find_ip4(answer, sizeof(rtmsg), RTA_DST);
    if (target && header.rtm_dst_len > 0) found.push_back({*target, header.rtm_dst_len});
  }
  ifaddrmsg any_address = {};
  any_address.ifa_family = AF_INET;
  Message addresses(RTM_GETADDR, NLM_F_DUMP, "list addresses");
  addresses.header(any_address);
  for (const Answer& answer : route.ask(std::move(addresses)).value_or(std::vector<Answer>())) {
    std::optional<Ip4> local = find_ip4(answer, sizeof(ifaddrmsg), IFA_LOCAL);
    if (!local) continue;
    Subnet subnet{*local, answer.header<ifaddrmsg>().ifa_prefixlen};
    subnet.base.value &= subnet.mask();
    found.push_back(subnet);
  }
  return found;
}

std::vector<Subnet6> subnets6_in_use(Netlink& route) {
  std::vector<Subnet6> found;
  rtmsg any = {};
  any.rtm_family = AF_INET6;
  Message routes(RTM_GETROUTE, NLM_F_DUMP, "list IPv6 routes");
  routes.header(any);
  // Where there is no IPv6, nobody has a range of it.
  routes.tolerate(EOPNOTSUPP);
  for (const Answer& answer : route.ask(std::move(routes)).value_or(std::vector<Answer>())) {
    const auto header = answer.header<rtmsg>();
    const std::optional<Ip6> target = find_ip6(answer, sizeof header, RTA_DST);
    if (!target || header.rtm_dst_len == 0 || header.rtm_type != RTN_UNICAST) continue;
    if (target->bytes[0] == 0xfe && (target->bytes[1] & 0xc0) == 0x80) continue;
    found.push_back({*target, header.rtm_dst_len});
  }
  return found;
}

std::vector<std::string> interfaces_with_announced_routes(Netlink& route) {
  std::vector<std::string> found;
  rtmsg any = {};
  any.rtm_family = AF_INET6;
  Message routes(RTM_GETROUTE, NLM_F_DUMP, "list IPv6 routes");
  routes.header(any).tolerate(EOPNOTSUPP);
  for (const Answer& answer : route.ask(std::move(routes)).value_or(std::vector<Answer>())) {
    if (answer.header<rtmsg>().rtm_protocol != RTPROT_RA) continue;
    char name[IF_NAMESIZE];
    if (const auto index = answer.find_number(sizeof(rtmsg), RTA_OIF);
        index && ::if_indextoname(*index, name))
      found.emplace_back(name);
  }
  return found;
}

uint32_t default_mtu(Netlink& route) {
  rtmsg any = {};
  any.rtm_family = AF_INET;
  Message routes(RTM_GETROUTE, NLM_F_DUMP, "list routes");
  routes.header(any);
  for (const Answer& answer : route.ask(std::move(routes)).value_or(std::vector<Answer>())) {
    if (answer.header<rtmsg>().rtm_dst_len != 0) continue;
    std::optional<uint32_t> index = answer.find_number(sizeof(rtmsg), RTA_OIF);
    if (!index) continue;
    ifinfomsg header = {};
    header.ifi_index = static_cast<int>(*index);
    Message link(RTM_GETLINK, 0, "look up the default route's interface");
    link.header(header).tolerate(ENODEV);
    auto answers = route.ask(std::move(link));
    if (answers && !answers->empty())
      return answers->front().find_number(kLinkHeader, IFLA_MTU).value_or(1500);
  }
  return 1500;
}

void create_bridge(Netlink& route, const std::string& name, const Mac& mac, Ip4 address,
                   const Subnet& subnet, uint32_t mtu) {
  Message create(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "create bridge " + name);
  create.header(link_up())
      .text(IFLA_IFNAME, name)
      .attribute(IFLA_ADDRESS, mac.data(), mac.size())
      .open(IFLA_LINKINFO)
      .text(IFLA_INFO_KIND, "bridge")
      .open(IFLA_INFO_DATA)
      .number(IFLA_BR_FORWARD_DELAY, uint32_t{0})
      .number(IFLA_BR_STP_STATE, uint32_t{0})
      .close_nest()
      .close_nest()
      .tolerate(EEXIST);
  route.perform(std::move(create));
  std::optional<Link> bridge = find_link(route, name);
  if (!bridge) throw base::SystemError("look up bridge " + name, ENODEV);
  std::vector<Message> messages;
  messages.push_back(add_address(bridge->index, address, subnet, name));
  // Not at its creation: only a change counts as the owner's wish, else an empty bridge takes 1500.
  messages.emplace_back(RTM_SETLINK, uint16_t{0}, "set the MTU of " + name)
      .header(link_up(bridge->index))
      .number(IFLA_MTU, mtu);
  route.perform(messages);
}

namespace {

Message set_port(const std::string& name, const BridgePort& port) {
  Message change(RTM_NEWLINK, 0, "set the bridge port of " + name);
  change.header(ifinfomsg{})
      .text(IFLA_IFNAME, name)
      .open(IFLA_LINKINFO)
      .text(IFLA_INFO_SLAVE_KIND, "bridge")
      .open(IFLA_INFO_SLAVE_DATA)
      .number(IFLA_BRPORT_MODE, static_cast<uint8_t>(port.hairpin))
      .number(IFLA_BRPORT_ISOLATED, static_cast<uint8_t>(port.isolated))
      .close_nest()
      .close_nest();
  return change;
}

// The way to everywhere by `gateway`, which is in the byte order of the wire.
Message default_route(unsigned char family, int interface, std::span<const std::byte> gateway) {
  rtmsg header = {};
  header.rtm_family = family;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  Message route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
                family == AF_INET ? "set the default route" : "set the IPv6 default route");
  route.header(header)
      .attribute(RTA_GATEWAY, gateway.data(), gateway.size())
      .number(RTA_OIF, interface)
      .tolerate(EEXIST);  // another network's came first
  return route;
}

Message default_route(int interface, Ip4 gateway) {
  const auto address = wire(gateway);
  return default_route(AF_INET, interface, std::as_bytes(std::span(&address, 1)));
}

}  // namespace

void create_veth(Netlink& route, const Veth& veth) {
  std::vector<Message> messages;
  Message& create = messages.emplace_back(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
                                          "create interface " + veth.host_name);
  // One queue each: the default is one a processor, and every queue is a directory in sysfs.
  create.header(link_up())
      .text(IFLA_IFNAME, veth.host_name)
      .number(IFLA_MTU, veth.mtu)
      .number(IFLA_MASTER, veth.bridge)
      .number(IFLA_NUM_TX_QUEUES, uint32_t{1})
      .number(IFLA_NUM_RX_QUEUES, uint32_t{1})
      .open(IFLA_LINKINFO)
      .text(IFLA_INFO_KIND, "veth")
      .open(IFLA_INFO_DATA)
      .open(VETH_INFO_PEER)
      .header(ifinfomsg{})  // not up yet: neither end may be before both know each other
      .text(IFLA_IFNAME, veth.name)
      .attribute(IFLA_ADDRESS, veth.mac.data(), veth.mac.size())
      .number(IFLA_MTU, veth.mtu)
      .number(IFLA_NUM_TX_QUEUES, uint32_t{1})
      .number(IFLA_NUM_RX_QUEUES, uint32_t{1})
      .number(IFLA_NET_NS_FD, veth.namespace_fd)
      .close_nest()
      .close_nest()
      .close_nest();
  if (!veth.port.is_usual()) messages.push_back(set_port(veth.host_name, veth.port));
  route.perform(messages);
}

void bring_up_loopback(Netlink& inside) {
  Message message(RTM_SETLINK, 0, "bring up the loopback interface");
  message.header(link_up(1));
  inside.perform(std::move(message));
}

void configure(Netlink& inside, const std::string& name, Ip4 address, const Subnet& subnet,
               Ip4 gateway) {
  std::optional<Link> link = find_link(inside, name);
  if (!link) throw base::SystemError("look up the container's " + name, ENODEV);
  std::vector<Message> messages;
  messages.emplace_back(RTM_SETLINK, uint16_t{0}, "bring up the loopback interface")
      .header(link_up(1));
  messages.emplace_back(RTM_SETLINK, uint16_t{0}, "bring up the container's " + name)
      .header(link_up(link->index));
  messages.push_back(add_address(link->index, address, subnet, name));
  if (gateway.value != 0) messages.push_back(default_route(link->index, gateway));
  inside.perform(messages);
}

void set_default_route(Netlink& inside, const std::string& name, Ip4 gateway) {
  const std::optional<Link> link = find_link(inside, name);
  if (!link) throw base::SystemError("look up the container's " + name, ENODEV);
  inside.perform(default_route(link->index, gateway));
}

void add_ip6(Netlink& route, const std::string& name, const Ip6& address, const Subnet6& subnet) {
  const std::optional<Link> link = find_link(route, name);
  if (!link) throw base::SystemError("look up interface " + name, ENODEV);
  ifaddrmsg header = {};
  header.ifa_family = AF_INET6;
  header.ifa_prefixlen = static_cast<uint8_t>(subnet.prefix);
  header.ifa_flags = IFA_F_NODAD;
  header.ifa_index = static_cast<uint32_t>(link->index);
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "give " + name + " its IPv6 address");
  message.header(header)
      .attribute(IFA_LOCAL, address.bytes.data(), address.bytes.size())
      .attribute(IFA_ADDRESS, address.bytes.data(), address.bytes.size())
      .tolerate(EEXIST);
  route.perform(std::move(message));
}

void set_default_route6(Netlink& inside, const std::string& name, const Ip6& gateway) {
  const std::optional<Link> link = find_link(inside, name);
  if (!link) throw base::SystemError("look up the container's " + name, ENODEV);
  inside.perform(default_route(AF_INET6, link->index, std::as_bytes(std::span(gateway.bytes))));
}

void put_on_bridge(Netlink& route, const std::string& name, int bridge, const BridgePort& port) {
  std::vector<Message> messages;
  messages.emplace_back(RTM_SETLINK, uint16_t{0}, "put " + name + " on its bridge")
      .header(ifinfomsg{})
      .text(IFLA_IFNAME, name)
      .number(IFLA_MASTER, bridge);
  if (!port.is_usual()) messages.push_back(set_port(name, port));
  route.perform(messages);
}

std::optional<std::string> find_address(Netlink& inside, std::string& interface) {
  ifaddrmsg any = {};
  any.ifa_family = AF_INET;
  Message addresses(RTM_GETADDR, NLM_F_DUMP, "list addresses");
  addresses.header(any);
  for (const Answer& answer : inside.ask(std::move(addresses)).value_or(std::vector<Answer>())) {
    auto header = answer.header<ifaddrmsg>();
    std::optional<Ip4> local = find_ip4(answer, sizeof header, IFA_LOCAL);
    if (!local || header.ifa_index == 1) continue;
    interface = answer.find_text(sizeof header, IFA_LABEL);
    return base::str(local->str(), "/", header.ifa_prefixlen);
  }
  return std::nullopt;
}

namespace {

/// Runs `work` on a thread that may change its namespace, and hands on what it throws.
template <typename Work>
void on_own_thread(Work&& work) {
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

void prepare_ip6(int namespace_fd, const std::string& name) {
  const std::string directory = "/proc/sys/net/ipv6/conf/" + name + "/";
  auto set = [&](const char* setting, char value) {
    const sys::UniqueFd file(::open((directory + setting).c_str(), O_WRONLY | O_CLOEXEC));
    if (!file && errno == ENOENT)
      throw base::Error(base::Code::kUnsupported, "this kernel has no IPv6", "no-ipv6");
    if (!file || ::write(file.get(), &value, 1) != 1)
      base::throw_errno("set " + directory + setting);
  };
  on_own_thread([&] {
    if (namespace_fd >= 0 && ::setns(namespace_fd, CLONE_NEWNET) < 0)
      base::throw_errno("enter network namespace");
    // Announcements first: switched on, the interface asks for them.
    set("accept_ra", '0');
    set("disable_ipv6", '0');
  });
}

NewNamespace create_namespace() {
  NewNamespace result;
  on_own_thread([&] {
    if (::unshare(CLONE_NEWNET) < 0) base::throw_errno("create network namespace");
    result.fd = sys::UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!result.fd) base::throw_errno("open network namespace");
    result.route.emplace(NETLINK_ROUTE);
  });
  return result;
}

void run_in_namespace(int namespace_fd, const std::function<void()>& work) {
  on_own_thread([&] {
    if (::setns(namespace_fd, CLONE_NEWNET) < 0) base::throw_errno("enter network namespace");
    work();
  });
}

Netlink open_inside(int namespace_fd) {
  std::optional<Netlink> socket;
  run_in_namespace(namespace_fd, [&] { socket.emplace(NETLINK_ROUTE); });
  return std::move(*socket);
}

}  // namespace network
