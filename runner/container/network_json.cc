#include "runner/container/network_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "store/oci/json_fields.h"

namespace container {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kModes[] = {"none", "host",  "private",    "named",
                                  "join", "pasta", "slirp4netns"};

/// In the form that network::parse_ports() reads.
std::string port_text(const network::Port& port) {
  const std::string address =
      port.is_ip6() ? base::str("[", port.host_address, "]") : port.host_address;
  return base::str(address.empty() ? "" : address + ":",
                   port.host == 0 ? "" : std::to_string(port.host),
                   port.host == 0 && port.host_address.empty() ? "" : ":", port.container, "/",
                   network::name_of(port.protocol));
}

}  // namespace

Json request_json(const network::Request& request) {
  Json out = {{"mode", kModes[static_cast<int>(request.mode)]},
              {"name", request.name},
              {"path", request.path.string()},
              {"arguments", request.arguments},
              {"mayFallBack", request.may_fall_back},
              {"aliases", request.aliases},
              {"address", request.address.value_or("")},
              {"address6", request.address6.value_or("")},
              {"mac", request.mac.value_or("")},
              {"dns", request.dns},
              {"dnsSearch", request.dns_search},
              {"dnsOptions", request.dns_options}};
  for (const char* list : {"ports", "extraHosts"}) out[list] = Json::array();
  for (const network::Port& port : request.ports) out["ports"].push_back(port_text(port));
  for (const auto& [name, address] : request.extra_hosts)
    out["extraHosts"].push_back({{"name", name}, {"address", address}});
  return out;
}

network::Request read_request(const nlohmann::json& object) {
  const oci::Fields fields(object, "network");
  network::Request request;
  const std::string mode = fields.required_text("mode");
  const auto known = std::find(std::begin(kModes), std::end(kModes), mode);
  if (known == std::end(kModes)) fields.fail("mode", "is no mode of a network");
  request.mode = static_cast<network::Mode>(known - std::begin(kModes));
  request.name = fields.text("name");
  request.path = fields.text("path");
  request.arguments = fields.texts("arguments");
  request.may_fall_back = fields.flag("mayFallBack");
  request.aliases = fields.texts("aliases");
  if (const std::string text = fields.text("address"); !text.empty()) request.address = text;
  if (const std::string text = fields.text("address6"); !text.empty()) request.address6 = text;
  if (const std::string text = fields.text("mac"); !text.empty()) request.mac = text;
  for (const std::string& text : fields.texts("ports"))
    for (const network::Port& port : network::parse_ports(text)) request.ports.push_back(port);
  if (const nlohmann::json* hosts = fields.array("extraHosts"))
    for (const nlohmann::json& host : *hosts) {
      const oci::Fields entry(host, "host");
      request.extra_hosts.emplace_back(entry.text("name"), entry.text("address"));
    }
  request.dns = fields.texts("dns");
  request.dns_search = fields.texts("dnsSearch");
  request.dns_options = fields.texts("dnsOptions");
  return request;
}

}  // namespace container
