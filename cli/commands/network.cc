// torte network ...: user-defined networks, and the default one.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/container_list.h"
#include "cli/containers/network_options.h"
#include "cli/filters.h"
#include "cli/table.h"
#include "runner/container/life.h"
#include "runner/container/prepare.h"
#include "runner/network/holder.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::json;

/// Ordinary users' bridges are in the namespaces of a holder, while there is one.
void go_to_bridges(const Context& context) {
  if (!network::bridges_are_here()) network::join_holder(network_state(context), {});
}

network::Network get(const Context& context, const std::string& name) {
  return network::get_network(network_state(context), name);
}

Json ports_json(const std::vector<network::Port>& ports) {
  Json list = Json::array();
  for (const network::Port& port : ports)
    list.push_back({{"hostAddress", port.host_address.empty() ? "0.0.0.0" : port.host_address},
                    {"hostPort", port.host},
                    {"containerPort", port.container},
                    {"protocol", network::name_of(port.protocol)}});
  return list;
}

Json describe(const Context& context, const network::Network& network) {
  Json labels = Json::object();
  for (const auto& [name, value] : network.labels) labels[name] = value;
  Json members = Json::array();
  for (const network::Member& member : network::list_members(network_state(context), network))
    members.push_back({{"id", member.id},
                       {"hostname", member.hostname},
                       {"address", member.address},
                       {"address6", member.address6},
                       {"aliases", member.aliases},
                       {"ports", ports_json(member.ports)}});
  auto created = std::chrono::system_clock::from_time_t(network.created);
  return {{"name", network.name},
          {"driver", "bridge"},
          {"interface", network.bridge},
          {"subnet", network.subnet},
          {"gateway", network.gateway},
          {"ipv6", network.ipv6},
          {"subnet6", network.subnet6},
          {"gateway6", network.gateway6},
          {"internal", network.internal},
          {"mtu", network.mtu},
          {"default", network.implicit},
          {"created", oci::format_timestamp(created)},
          {"labels", labels},
          {"containers", members}};
}

/// The values of a flag that may be given once for IPv4 and once for IPv6.
void put_by_kind(const Arguments& arguments, const char* flag, std::string& four,
                 std::string& six) {
  for (const std::string& value : arguments.all(flag)) {
    std::string& place = value.find(':') == std::string::npos ? four : six;
    if (!place.empty())
      throw UsageError(base::str("--", flag, " can be given once for IPv4 and once for IPv6"));
    place = value;
  }
}

int run_create(Context& context, const Arguments& arguments) {
  network::Network wanted;
  wanted.name = arguments.word(0);
  wanted.ipv6 = arguments.is_on("ipv6");
  put_by_kind(arguments, "subnet", wanted.subnet, wanted.subnet6);
  put_by_kind(arguments, "gateway", wanted.gateway, wanted.gateway6);
  if (!wanted.subnet6.empty()) wanted.ipv6 = true;
  if (!wanted.ipv6 && !wanted.gateway6.empty()) throw UsageError("an IPv6 --gateway needs --ipv6");
  wanted.internal = arguments.is_on("internal");
  std::optional<uint64_t> mtu = arguments.number("mtu");
  if (mtu && (*mtu < 68 || *mtu > 65535)) throw UsageError("--mtu must be between 68 and 65535");
  wanted.mtu = static_cast<uint32_t>(mtu.value_or(0));
  for (const std::string& label : arguments.all("label")) {
    size_t equals = label.find('=');
    wanted.labels.emplace_back(label.substr(0, equals),
                               equals == std::string::npos ? "" : label.substr(equals + 1));
  }
  context.out(network::create_network(network_state(context), wanted).name + "\n");
  return 0;
}

using NetworkFilters = Filters<network::Network>;

NetworkFilters::Predicate network_filter(const std::string& key, const std::string& value) {
  using network::Network;
  if (key == "name")
    return [=](const Network& network) { return network.name.find(value) != std::string::npos; };
  if (key == "driver") return [=](const Network&) { return value == "bridge"; };
  if (key == "label") {
    const size_t equals = value.find('=');
    const std::string name = value.substr(0, equals);
    return [=](const Network& network) {
      return std::any_of(network.labels.begin(), network.labels.end(), [&](const auto& label) {
        return label.first == name &&
               (equals == std::string::npos || label.second == value.substr(equals + 1));
      });
    };
  }
  throw UsageError("unknown filter " + base::printable(key) + " (known: name, driver, label)");
}

int run_list(Context& context, const Arguments& arguments) {
  const NetworkFilters filters(arguments.all("filter"), network_filter);
  Json items = Json::array();
  Table table({"NAME", "SUBNET", "GATEWAY", "INTERFACE", "CONTAINERS"});
  for (const network::Network& network : network::list_networks(network_state(context))) {
    if (!filters.pass(network)) continue;
    Json item = describe(context, network);
    table.add({network.name,
               network.subnet + (network.ipv6 ? ", " + network.subnet6 : "") +
                   (network.internal ? " (internal)" : ""),
               network.gateway, network.bridge, std::to_string(item["containers"].size())});
    items.push_back(std::move(item));
  }
  if (context.quiet) {
    for (const Json& item : items) context.out(item["name"].get<std::string>() + "\n");
    return 0;
  }
  print_listing(context, table, items, arguments.get("format"));
  return 0;
}

int run_inspect(Context& context, const Arguments& arguments) {
  Json items = Json::array();
  for (const std::string& name : arguments.words())
    items.push_back(describe(context, get(context, name)));
  print_documents(context, items, arguments.get("format"));
  return 0;
}

int run_remove(Context& context, const Arguments& arguments) {
  go_to_bridges(context);
  for (const std::string& name : arguments.words()) {
    if (arguments.is_on("force") && !network::find_network(network_state(context), name)) continue;
    network::remove_network(network_state(context), name);
    context.out(name + "\n");
  }
  return 0;
}

int run_prune(Context& context, const Arguments& arguments) {
  go_to_bridges(context);
  std::filesystem::path state = network_state(context);
  network::sweep(state);
  for (const network::Network& network : network::list_networks(state)) {
    if (network.implicit && !arguments.is_on("all")) continue;
    if (!network::list_members(state, network).empty()) continue;
    network::remove_network(state, network.name);
    context.out(network.name + "\n");
  }
  return 0;
}

/// What a running container's monitor cannot do is not remembered either.
void change_networks(container::Containers& containers, const container::Config& before,
                     const container::Config& after, char request, const std::string& name) {
  containers.write_config_of_running(after);
  if (!containers.is_held(after.id)) return;
  try {
    container::ask(containers, after.id, request, name);
  } catch (const base::Error&) {
    containers.write_config_of_running(before);
    throw;
  }
}

bool is_on(const container::Config& config, const std::string& network) {
  const std::vector<std::string> names = container::networks_of(config);
  return std::find(names.begin(), names.end(), network) != names.end();
}

/// Makes `asked` the container's first network; what concerns no network in particular stays.
void set_first(container::Config& config, const network::Request& asked) {
  config.network.mode = asked.mode;
  config.network.name = asked.name;
  config.network.aliases = asked.aliases;
  config.network.address = asked.address;
  config.network.address6 = asked.address6;
  config.network.mac = asked.mac;
  config.network.may_fall_back = false;
  config.network_mode = asked.mode == network::Mode::kNone ? "none" : network::network_name(asked);
}

int run_connect(Context& context, const Arguments& arguments) {
  const std::string name = arguments.word(0);
  network::Request asked = network::parse_mode(name);
  const bool is_users = !network::bridges_are_here();
  if (is_users && asked.mode == network::Mode::kPrivate)
    throw base::Error(base::Code::kInvalid, "the default network of an ordinary user is no bridge",
                      "no-bridge");
  // The default one is made when it is first needed.
  if (asked.mode != network::Mode::kPrivate) get(context, name);
  asked.aliases = arguments.all("alias");
  if (!asked.aliases.empty() && asked.mode != network::Mode::kNamed)
    throw UsageError("--alias needs a user-defined network");
  asked.address = arguments.find("ip");
  asked.address6 = arguments.find("ip6");
  asked.mac = arguments.find("mac-address");
  OpenContainers open = open_containers(context);
  const container::Config before =
      open.containers.read(open.containers.get(arguments.word(1))).config;
  if (is_on(before, network::network_name(asked)))
    throw base::Error(base::Code::kUnavailable, before.name + " is on network " + name + " already",
                      "on-network");
  container::Config config = before;
  const bool has_forwarder = is_users && config.network.mode == network::Mode::kPrivate;
  if (!has_forwarder && !container::networks_of(config).empty())
    config.further_networks.push_back(asked);
  else if (config.network.mode == network::Mode::kNone)
    set_first(config, asked);
  else
    throw base::Error(
        base::Code::kInvalid,
        base::str(before.name, " has a network of another kind (", before.network_mode, ")"),
        "no-bridge");
  change_networks(open.containers, before, config, 'N', network::network_name(asked));
  return 0;
}

int run_disconnect(Context& context, const Arguments& arguments) {
  const std::string name = network::network_name(network::parse_mode(arguments.word(0)));
  OpenContainers open = open_containers(context);
  const container::Config before =
      open.containers.read(open.containers.get(arguments.word(1))).config;
  if (!is_on(before, name))
    throw base::Error(base::Code::kNotFound,
                      before.name + " is not on network " + base::printable(arguments.word(0)),
                      "not-on-network");
  container::Config config = before;
  if (network::network_name(config.network) == name) {
    network::Request next;
    next.mode = network::Mode::kNone;
    if (!config.further_networks.empty()) {
      next = config.further_networks.front();
      config.further_networks.erase(config.further_networks.begin());
    }
    set_first(config, next);
  } else {
    std::erase_if(config.further_networks,
                  [&](const auto& one) { return network::network_name(one) == name; });
  }
  change_networks(open.containers, before, config, 'D', name);
  return 0;
}

int run_reload(Context& context, const Arguments&) {
  go_to_bridges(context);
  network::reload_networks(network_state(context));
  return 0;
}

Command command(std::string_view name, std::string_view summary, std::string_view usage,
                Positionals positionals, int (*run)(Context&, const Arguments&)) {
  Command result{.name = name, .summary = summary};
  result.usage = usage;
  result.group = "networks";
  result.positionals = positionals;
  result.run = run;
  result.in_user_namespace = false;
  return result;
}

Command create_network_command() {
  Command create = command("network create", "make a network for containers", "[FLAGS] NAME",
                           {1, 1}, run_create);
  create.about =
      "Containers started with --network NAME reach each other by name and alias, and nobody on "
      "another network. Their way out is the host's, unless the network is internal.";
  create.flags = {
      {.name = "subnet",
       .value = "ADDRESS/PREFIX",
       .help = "addresses of its containers (default: a free /24); once more for IPv6",
       .repeatable = true,
       .common = true},
      {.name = "gateway",
       .value = "ADDRESS",
       .help = "the host's address on it (default: the first); once more for IPv6",
       .repeatable = true},
      {.name = "ipv6",
       .help = "IPv6 addresses as well (default: a random range of the machine's own)",
       .common = true},
      {.name = "internal", .help = "no way out", .common = true},
      {.name = "driver",
       .letter = 'd',
       .value = "DRIVER",
       .help = "bridge, which is all there is; for scripts",
       .choices = {"bridge"}},
      {.name = "mtu",
       .value = "BYTES",
       .help = "largest packet (default: that of the default route)"},
      {.name = "label", .value = "KEY=VALUE", .help = "label of the network", .repeatable = true}};
  create.examples = {
      {"torte network create back", "a network with an address range of its own"},
      {"torte network create --ipv6 --subnet fd00:77::/64 back", "with IPv6 as well"},
      {"torte run --rm --network back --name db app", "a container on it, found as db"}};
  return create;
}

int run_holder_command(Context&, const Arguments& arguments) {
  const auto fd = base::parse_decimal(arguments.word(1));
  if (!fd || *fd > 1 << 20) throw base::Error(base::Code::kInvalid, "this command is torte's own");
  return network::run_holder(arguments.word(0), sys::UniqueFd(static_cast<int>(*fd)));
}

}  // namespace

const Command& network_holder_command() {
  static const Command kCommand{
      .name = network::kHolderCommand,
      .summary = "keep an ordinary user's networks (torte starts this itself)",
      .group = "networks",
      .positionals = {2, 2},
      .run = run_holder_command,
      .hidden = true,
  };
  return kCommand;
}

const std::vector<const Command*>& network_commands() {
  static const Command kCreate = create_network_command();
  static const Command kList = [] {
    Command list = command("network ls", "list networks", "[FLAGS]", {0, 0}, run_list);
    list.aliases = {"network list"};
    list.flags = {{.name = "filter",
                   .letter = 'f',
                   .value = "KEY=VALUE",
                   .help = "name, driver, label",
                   .repeatable = true},
                  {.name = "format",
                   .value = "FORMAT",
                   .help = "table, json, json-lines, or a template",
                   .common = true}};
    return list;
  }();
  static const Command kInspect = [] {
    Command inspect = command("network inspect", "show networks and the containers on them",
                              "[FLAGS] NAME...", {1, Positionals::kAny}, run_inspect);
    inspect.flags = {{.name = "format",
                      .letter = 'f',
                      .value = "FORMAT",
                      .help = "json, or a template",
                      .common = true}};
    return inspect;
  }();
  static const Command kRemove = [] {
    Command remove = command("network rm", "remove networks that no container uses",
                             "[FLAGS] NAME...", {1, Positionals::kAny}, run_remove);
    remove.flags = {{.name = "force",
                     .letter = 'f',
                     .help = "one that is not there is no error",
                     .common = true}};
    remove.aliases = {"network remove"};
    return remove;
  }();
  static const Command kPrune = [] {
    Command prune = command("network prune", "remove every network that no container uses",
                            "[FLAGS]", {0, 0}, run_prune);
    prune.about = "What killed commands left (addresses, published ports) is taken back as well.";
    prune.flags = {
        {.name = "all",
         .letter = 'a',
         .help = "also the default network, which comes back when it is needed",
         .common = true},
        {.name = "force", .letter = 'f', .help = "do not ask (torte never does; for scripts)"}};
    return prune;
  }();
  static const Command kReload = [] {
    Command reload =
        command("network reload", "put bridges and firewall rules back", "", {0, 0}, run_reload);
    reload.about =
        "After `nft flush ruleset` or the restart of a firewall: the table of torte, the "
        "networks in it and the published ports of running containers.";
    return reload;
  }();
  static const Command kConnect = [] {
    Command connect = command("network connect", "put a container on one more network",
                              "[FLAGS] NETWORK CONTAINER", {2, 2}, run_connect);
    connect.about =
        "At once where the container runs, and at every later start. Its published ports stay with "
        "its first network.";
    connect.flags = {
        {.name = "alias",
         .value = "NAME",
         .help = "another name of the container on it",
         .repeatable = true,
         .common = true},
        {.name = "ip", .value = "ADDRESS", .help = "address of the container on it"},
        {.name = "ip6", .value = "ADDRESS", .help = "IPv6 address of the container on it"},
        {.name = "mac-address", .value = "MAC", .help = "hardware address of its interface"}};
    connect.examples = {
        {"torte network connect --alias db back postgres", "found as postgres and as db"}};
    return connect;
  }();
  static const Command kDisconnect = [] {
    Command disconnect = command("network disconnect", "take a container off a network",
                                 "NETWORK CONTAINER", {2, 2}, run_disconnect);
    disconnect.about =
        "Ports that were published on it are not reached until the container is started again; "
        "then they lead to the network that is first now.";
    return disconnect;
  }();
  static const std::vector<const Command*> kCommands = {
      &kCreate, &kList, &kInspect, &kRemove, &kPrune, &kReload, &kConnect, &kDisconnect};
  return kCommands;
}

}  // namespace cli
