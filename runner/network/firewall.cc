#include "runner/network/firewall.h"

#include <dlfcn.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "runner/network/netlink.h"

namespace network {

namespace {

// The networks are elements: a rule names none. Statements that look the same in `pre` and `out`
// serve what comes from elsewhere and what the host itself sends.
constexpr const char* kTable = R"(
add table inet torte
add map inet torte pub4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
add map inet torte pub4a { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
add map inet torte pub6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
add map inet torte pub6a { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
add set inet torte nets4 { type ipv4_addr; flags interval; }
add set inet torte nets6 { type ipv6_addr; flags interval; }
add set inet torte bridges6 { type ifname; }
add set inet torte samebridge { type ifname . ifname; }
add set inet torte internal { type ifname; }
add chain inet torte post { type nat hook postrouting priority srcnat; policy accept; }
add chain inet torte pre { type nat hook prerouting priority dstnat; policy accept; }
add chain inet torte out { type nat hook output priority -100; policy accept; }
add chain inet torte filt { type filter hook forward priority filter; policy accept; }
add chain inet torte raw { type filter hook prerouting priority raw; policy accept; }
flush chain inet torte post
flush chain inet torte pre
flush chain inet torte out
flush chain inet torte filt
flush chain inet torte raw
add rule inet torte post ip saddr @nets4 ip daddr @nets4 ct status dnat masquerade
add rule inet torte post ip saddr @nets4 ip daddr != @nets4 masquerade
add rule inet torte post ip saddr 127.0.0.0/8 ip daddr @nets4 masquerade
add rule inet torte post ip6 saddr @nets6 ip6 daddr @nets6 ct status dnat masquerade
add rule inet torte post ip6 saddr @nets6 ip6 daddr != @nets6 masquerade
add rule inet torte pre dnat ip to ip daddr . meta l4proto . th dport map @pub4a
add rule inet torte pre fib daddr type local dnat ip to meta l4proto . th dport map @pub4
add rule inet torte pre dnat ip6 to ip6 daddr . meta l4proto . th dport map @pub6a
add rule inet torte pre fib daddr type local dnat ip6 to meta l4proto . th dport map @pub6
add rule inet torte out dnat ip to ip daddr . meta l4proto . th dport map @pub4a
add rule inet torte out fib daddr type local dnat ip to meta l4proto . th dport map @pub4
add rule inet torte out dnat ip6 to ip6 daddr . meta l4proto . th dport map @pub6a
add rule inet torte out ip6 daddr != ::1 fib daddr type local dnat ip6 to meta l4proto . th dport map @pub6
add rule inet torte filt oifname "torte*" ct state established,related accept
add rule inet torte filt oifname "torte*" ct status dnat accept
add rule inet torte filt iifname . oifname @samebridge accept
add rule inet torte filt iifname @internal drop
add rule inet torte filt iifname "torte*" oifname "torte*" drop
add rule inet torte filt oifname "torte*" drop
add rule inet torte raw iifname != "lo" ip daddr 127.0.0.0/8 drop
)";

/// libnftables, found when first needed. Its context is not for several threads.
class Nftables {
 public:
  static Nftables& get() {
    static Nftables instance;
    return instance;
  }

  /// One transaction. False: `message` has the library's words.
  bool run(const std::string& commands, std::string& message) {
    std::lock_guard lock(mutex_);
    void* context = new_(0);
    if (context == nullptr)
      throw base::Error(base::Code::kSystem, "start libnftables: out of memory");
    buffer_output_(context);
    buffer_error_(context);
    int result = run_(context, commands.c_str());
    if (result != 0) message = std::string(base::trim(error_(context)));
    free_(context);
    return result == 0;
  }

 private:
  Nftables() : library_(::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr)
      throw base::Error(base::Code::kUnsupported, "libnftables.so.1 is not installed",
                        "no-nftables")
          .add_help("install it (Debian package libnftables1)");
    find("nft_ctx_new", new_);
    find("nft_ctx_free", free_);
    find("nft_ctx_buffer_output", buffer_output_);
    find("nft_ctx_buffer_error", buffer_error_);
    find("nft_ctx_get_error_buffer", error_);
    find("nft_run_cmd_from_buffer", run_);
  }

  template <typename Function>
  void find(const char* name, Function& function) {
    void* symbol = ::dlsym(library_, name);
    if (symbol == nullptr)
      throw base::Error(base::Code::kUnsupported, base::str("libnftables.so.1 has no ", name),
                        "no-nftables");
    memcpy(&function, &symbol, sizeof function);
  }

  void* library_;
  std::mutex mutex_;
  void* (*new_)(uint32_t) = nullptr;
  void (*free_)(void*) = nullptr;
  int (*buffer_output_)(void*) = nullptr;
  int (*buffer_error_)(void*) = nullptr;
  const char* (*error_)(void*) = nullptr;
  int (*run_)(void*, const char*) = nullptr;
};

void run(const std::string& what, const std::string& commands) {
  std::string message;
  if (Nftables::get().run(commands, message)) return;
  std::string first = message.substr(0, message.find('\n'));
  throw base::Error(base::Code::kUnsupported, what + ": " + base::printable(first), "no-nftables")
      .add_help("address translation needs CAP_NET_ADMIN and nf_tables with nat in the kernel");
}

std::string bridge_elements(const Guarded& network, const char* verb) {
  std::string text = base::str(verb, " element inet torte samebridge { \"", network.bridge,
                               "\" . \"", network.bridge, "\" }\n");
  if (network.internal)
    text += base::str(verb, " element inet torte internal { \"", network.bridge, "\" }\n");
  if (network.subnet6) {
    text += base::str(verb, " element inet torte bridges6 { \"", network.bridge, "\" }\n");
    text += base::str(verb, " element inet torte nets6 { ", network.subnet6->str(), " }\n");
  }
  return text + base::str(verb, " element inet torte nets4 { ", network.subnet.str(), " }\n");
}

/// Which of a container's two addresses a line of commands is about.
struct Family {
  const char* map;     ///< of ports on every address of the host; with an "a" behind it: on one
  const char* any;     ///< how a port says "every address" of this kind alone
  std::string target;  ///< empty: none is needed
};

/// The port's element, or nothing where it is published on addresses of the other kind.
std::string port_element(const char* verb, const Port& port, const Family& family) {
  const bool is_ip6 = std::string_view(family.map) == "pub6";
  const bool everywhere = port.host_address.empty() || port.host_address == family.any;
  if (!everywhere && port.is_ip6() != is_ip6) return "";
  std::string key = base::str(name_of(port.protocol), " . ", port.host);
  if (!everywhere) key = port.host_address + " . " + key;
  std::string value =
      family.target.empty() ? "" : base::str(" : ", family.target, " . ", port.container);
  return base::str(verb, " element inet torte ", family.map, everywhere ? "" : "a", " { ", key,
                   value, " }\n");
}

/// One command for each element.
std::vector<std::string> port_elements(const char* verb, const std::vector<Port>& ports,
                                       const std::vector<Family>& families) {
  std::vector<std::string> commands;
  for (const Port& port : ports)
    for (const Family& family : families)
      if (std::string one = port_element(verb, port, family); !one.empty()) commands.push_back(one);
  return commands;
}

/// True when the set has an element with this key.
bool has_element(const char* set, std::span<const char> key) {
  Netlink netfilter(NETLINK_NETFILTER);
  nfgenmsg family = {};
  family.nfgen_family = NFPROTO_INET;
  Message message((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSETELEM, 0,
                  "ask for the firewall table");
  message.header(family)
      .text(NFTA_SET_ELEM_LIST_TABLE, "torte")
      .text(NFTA_SET_ELEM_LIST_SET, set)
      .open(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED)
      .open(NFTA_LIST_ELEM | NLA_F_NESTED)
      .open(NFTA_SET_ELEM_KEY | NLA_F_NESTED)
      .attribute(NFTA_DATA_VALUE, key.data(), key.size())
      .close_nest()
      .close_nest()
      .close_nest()
      .tolerate(ENOENT);
  return netfilter.ask(std::move(message)).has_value();
}

}  // namespace

bool is_guarded(const Guarded& network) {
  // The key of an element of samebridge: twice the name, each filling a field of its own.
  char key[2 * IFNAMSIZ] = {};
  strncpy(key, network.bridge.c_str(), IFNAMSIZ - 1);
  strncpy(key + IFNAMSIZ, network.bridge.c_str(), IFNAMSIZ - 1);
  try {
    return has_element("samebridge", key) &&
           (!network.subnet6 || has_element("bridges6", std::span(key, IFNAMSIZ)));
  } catch (const base::SystemError& e) {
    int error = e.error_number();
    if (error != EPERM && error != EACCES && error != EOPNOTSUPP && error != EINVAL) throw;
    throw base::Error(base::Code::kUnsupported, e.what(), "no-nftables")
        .add_help("address translation needs CAP_NET_ADMIN and nf_tables in the kernel");
  }
}

void guard(const std::vector<Guarded>& networks) {
  std::string elements, message;
  for (const Guarded& network : networks) elements += bridge_elements(network, "add");
  if (Nftables::get().run(kTable + elements, message)) return;
  // A range of a network that is long gone may overlap ours. Whoever else has networks in here
  // misses them at its next launch and adds them again.
  constexpr const char* kForget =
      "flush set inet torte nets4\nflush set inet torte nets6\nflush set inet torte samebridge\n"
      "flush set inet torte bridges6\nflush set inet torte internal\n";
  run("set up address translation", kTable + (kForget + elements));
}

void unguard(const Guarded& network) {
  std::string ignored;
  for (const std::string& line : base::split(bridge_elements(network, "delete"), '\n'))
    if (!line.empty()) Nftables::get().run(line, ignored);
}

void publish(const std::vector<Port>& ports, Ip4 address, const std::optional<Ip6>& address6) {
  std::vector<Family> families = {{"pub4", "0.0.0.0", address.str()}};
  if (address6) families.push_back({"pub6", "::", address6->str()});
  std::string message;
  const std::string commands = base::join(port_elements("create", ports, families), "");
  if (commands.empty() || Nftables::get().run(commands, message)) return;
  if (message.find("File exists") != std::string::npos)
    throw base::Error(base::Code::kUnavailable, "a published port is another container's",
                      "port-in-use");
  throw base::Error(base::Code::kUnsupported,
                    "publish ports: " + base::printable(message.substr(0, message.find('\n'))),
                    "no-nftables");
}

void unpublish(const std::vector<Port>& ports, bool with_ip6) noexcept {
  try {
    std::vector<Family> families = {{"pub4", "0.0.0.0", ""}};
    if (with_ip6) families.push_back({"pub6", "::", ""});
    const std::vector<std::string> commands = port_elements("delete", ports, families);
    std::string ignored;
    if (commands.empty() || Nftables::get().run(base::join(commands, ""), ignored)) return;
    // One that is gone already spoils the transaction: one by one then.
    for (const std::string& command : commands) Nftables::get().run(command, ignored);
  } catch (const base::Error&) {
    // A library that was there a moment ago; sweep() will come by again.
  }
}

}  // namespace network
