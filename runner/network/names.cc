#include "runner/network/names.h"

#include <arpa/inet.h>

#include <optional>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"

namespace network {

namespace {

constexpr uint64_t kMostBytes = 1 << 20;
// systemd-resolved listens on loopback and keeps the real servers here.
constexpr const char* kUpstreams = "/run/systemd/resolve/resolv.conf";

bool is_address(const std::string& text) {
  unsigned char ignored[16];
  std::string plain = text.substr(0, text.find('%'));
  return ::inet_pton(AF_INET, plain.c_str(), ignored) == 1 ||
         ::inet_pton(AF_INET6, plain.c_str(), ignored) == 1;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

/// The lines of a resolv.conf that count.
struct Resolver {
  std::vector<std::string> servers, search, options;
};

Resolver read_resolver(const char* path) {
  Resolver resolver;
  std::string text = sys::find_user_file(path, kMostBytes).value_or("");
  for (const std::string& line : base::split(text, '\n')) {
    std::vector<std::string> words;
    for (const std::string& field : base::split(line, ' '))
      for (const std::string& word : base::split(field, '\t'))
        if (!word.empty()) words.push_back(word);
    if (words.size() < 2) continue;
    auto rest = [&](std::vector<std::string>& into) {
      into.insert(into.end(), words.begin() + 1, words.end());
    };
    if (words[0] == "nameserver") resolver.servers.push_back(words[1]);
    if (words[0] == "search" || words[0] == "domain") {
      resolver.search.clear();  // the last one counts
      rest(resolver.search);
    }
    if (words[0] == "options") rest(resolver.options);
  }
  return resolver;
}

std::string resolve_extra(const std::pair<std::string, std::string>& host,
                          const Surroundings& around) {
  check_host_name(host.first);
  if (host.second != "host-gateway") {
    if (!is_address(host.second))
      throw base::Error(base::Code::kInvalid,
                        base::str("--add-host ", base::printable(host.first), ": ",
                                  base::printable(host.second), " is not an address"),
                        "bad-address");
    return host.second;
  }
  if (around.host_address.empty())
    throw base::Error(
        base::Code::kUnsupported,
        "--add-host " + host.first + ":host-gateway: this network does not reach the host",
        "no-host-gateway");
  return around.host_address;
}

}  // namespace

void check_host_name(const std::string& name) {
  bool good = !name.empty() && name.size() <= 253;
  for (char c : name)
    if (c <= ' ' || c == '#' || c == '\x7f') good = false;
  if (!good)
    throw base::Error(base::Code::kInvalid,
                      "host name \"" + base::printable(name) + "\" cannot stand in /etc/hosts",
                      "bad-host-name");
}

std::string hosts_text(const Request& request, const Surroundings& around) {
  std::string text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  auto line = [&](const std::string& address, const std::vector<std::string>& names) {
    text += base::str(address, "\t", base::join(names, " "), "\n");
  };
  std::vector<std::string> own;
  if (!request.domainname.empty())
    own.push_back(base::str(request.hostname, ".", request.domainname));
  if (!request.hostname.empty()) own.push_back(request.hostname);
  own.insert(own.end(), request.aliases.begin(), request.aliases.end());
  if (!own.empty()) line(around.own_address, own);
  if (!own.empty() && !around.own_address6.empty()) line(around.own_address6, own);
  if (!around.host_address.empty())
    line(around.host_address,
         {"host.torte.internal", "host.containers.internal", "host.docker.internal"});
  for (const auto& host : request.extra_hosts) line(resolve_extra(host, around), {host.first});
  for (const HostsLine& peer : around.peers) line(peer.address, peer.names);
  return text;
}

std::string resolv_text(const Request& request, const Surroundings& around) {
  Resolver host = read_resolver("/etc/resolv.conf");
  std::vector<std::string> servers = request.dns;
  for (const std::string& server : servers)
    if (!is_address(server))
      throw base::Error(base::Code::kInvalid,
                        "--dns " + base::printable(server) + " is not an address", "bad-address");
  if (servers.empty()) {
    bool out_of_reach = false;
    for (const std::string& server : host.servers) {
      if (around.own_namespace && is_loopback(server))
        out_of_reach = true;
      else
        servers.push_back(server);
    }
    if (out_of_reach && !around.forwarded_dns.empty()) {
      servers.insert(servers.begin(), around.forwarded_dns);
    } else if (servers.empty() && out_of_reach) {
      for (const std::string& server : read_resolver(kUpstreams).servers)
        if (!is_loopback(server)) servers.push_back(server);
    }
  }
  std::string text;
  const auto& search = request.dns_search.empty() ? host.search : request.dns_search;
  const auto& options = request.dns_options.empty() ? host.options : request.dns_options;
  // "." alone says: no search list.
  if (!search.empty() && search != std::vector<std::string>{"."})
    text += "search " + base::join(search, " ") + "\n";
  for (const std::string& server : servers) text += "nameserver " + server + "\n";
  if (!options.empty()) text += "options " + base::join(options, " ") + "\n";
  return text;
}

}  // namespace network
