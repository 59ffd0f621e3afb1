#include "cli/containers/network_options.h"

#include <sstream>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/error_view.h"

namespace cli {

std::vector<Flag> network_flags() {
  return {
      {.name = "network",
       .value = "MODE",
       .help = "bridge or private (default), none, host, the NAME of a network, container:NAME, "
               "ns:PATH, pasta, slirp4netns",
       .group = "network",
       .aliases = {"net"},
       .common = true},
      {.name = "publish",
       .letter = 'p',
       .value = "[[ADDRESS:]HOST:]PORT[/udp]",
       .help = "port of the host that leads to the container's; ranges as 8000-8003:80-83",
       .group = "network",
       .repeatable = true,
       .common = true},
      {.name = "publish-all",
       .letter = 'P',
       .help = "publish every exposed port on a free port of the host",
       .group = "network"},
      {.name = "expose",
       .value = "PORT[/udp]",
       .help = "another port for --publish-all",
       .group = "network",
       .repeatable = true},
      {.name = "network-alias",
       .value = "NAME",
       .help = "another name of the container on its network",
       .group = "network",
       .repeatable = true},
      {.name = "ip",
       .value = "ADDRESS",
       .help = "address of the container on its network",
       .group = "network"},
      {.name = "ip6",
       .value = "ADDRESS",
       .help = "IPv6 address of the container on its network",
       .group = "network"},
      {.name = "mac-address",
       .value = "MAC",
       .help = "hardware address of its interface",
       .group = "network"},
      {.name = "add-host",
       .value = "NAME:ADDRESS",
       .help = "a line of /etc/hosts; host-gateway is the host's address",
       .group = "network",
       .repeatable = true},
      {.name = "hosts-file",
       .value = "FILE",
       .help = "its names and addresses are in /etc/hosts too, before those of --add-host",
       .group = "network"},
      {.name = "dns",
       .value = "ADDRESS",
       .help = "name server instead of the host's",
       .group = "network",
       .repeatable = true},
      {.name = "dns-search",
       .value = "DOMAIN",
       .help = "search domain instead of the host's",
       .group = "network",
       .repeatable = true},
      {.name = "dns-option",
       .value = "OPTION",
       .help = "option of /etc/resolv.conf",
       .group = "network",
       .aliases = {"dns-opt"},
       .repeatable = true},
  };
}

std::pair<std::string, std::string> parse_add_host(const std::string& text) {
  size_t split = text.find_first_of(":=");
  if (split == 0 || split == std::string::npos || split + 1 == text.size())
    throw UsageError("--add-host needs NAME:ADDRESS, not " + base::printable(text));
  std::string address = text.substr(split + 1);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  return {text.substr(0, split), address};
}

namespace {

/// "ADDRESS NAME..", one a line, with remarks behind "#".
std::vector<std::pair<std::string, std::string>> read_hosts_file(const std::string& path) {
  constexpr uint64_t kMostBytes = 1 << 20;
  std::vector<std::pair<std::string, std::string>> hosts;
  for (const std::string& line : base::split(sys::read_user_file(path, kMostBytes), '\n')) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string address, name;
    words >> address;
    while (words >> name) hosts.emplace_back(name, address);
  }
  return hosts;
}

}  // namespace

network::Request network_request(const Arguments& arguments, const std::set<std::string>& exposed) {
  network::Request request;
  const auto mode = arguments.find("network");
  if (!mode)
    request.may_fall_back = true;
  else if (!mode->starts_with("container:"))
    request = network::parse_mode(*mode);
  request.aliases = arguments.all("network-alias");
  request.address = arguments.find("ip");
  request.address6 = arguments.find("ip6");
  request.mac = arguments.find("mac-address");
  for (const std::string& text : arguments.all("publish"))
    for (const network::Port& port : network::parse_ports(text)) request.ports.push_back(port);
  std::set<std::string> more(exposed);
  for (const std::string& text : arguments.all("expose")) more.insert(text);
  for (const std::string& text : more) {
    // Checked even when nothing comes of it: a mistake is a mistake.
    std::vector<network::Port> ports = network::parse_exposed(text);
    if (arguments.is_on("publish-all"))
      request.ports.insert(request.ports.end(), ports.begin(), ports.end());
  }
  if (const auto file = arguments.find("hosts-file")) request.extra_hosts = read_hosts_file(*file);
  for (const std::string& host : arguments.all("add-host"))
    request.extra_hosts.push_back(parse_add_host(host));
  request.dns = arguments.all("dns");
  request.dns_search = arguments.all("dns-search");
  request.dns_options = arguments.all("dns-option");
  return request;
}

std::string step_network(const Arguments& arguments) {
  constexpr std::string_view kNamed = "private:";
  std::string text = arguments.get("network", "default");
  if (text.starts_with(kNamed)) text = text.substr(kNamed.size());
  try {
    const network::Request request = network::parse_mode(text);
    return request.mode == network::Mode::kPrivate ? "default" : text;
  } catch (base::Error& e) {
    UsageError error("--network: " + e.message());
    for (const std::string& help : e.helps()) error.add_help(help);
    throw error;
  }
}

std::filesystem::path network_state(const Context& context) { return context.run_root / "net"; }

void warn_of_network(const Context& context, const std::string& warning) {
  if (warning.empty()) return;
  Problem problem;
  problem.severity = Problem::Severity::kWarning;
  problem.id = "no-private-network";
  problem.message = warning;
  print_problems(context, {problem});
}

}  // namespace cli
