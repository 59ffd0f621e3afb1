#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "runner/network/firewall.h"
#include "runner/network/links.h"
#include "runner/network/network.h"
#include "runner/network/state.h"

namespace network {

/// Root's side of a container on a bridge: address, veth pair, published ports. Dropping it takes
/// the ports and the address back; the veth pair goes with the namespace. Move-only.
class Attachment {
 public:
  Attachment(Attachment&&) noexcept;
  Attachment& operator=(Attachment&&) = delete;
  ~Attachment();

  const Network& network() const { return network_; }
  Ip4 address() const { return lease_.address(); }
  const Subnet& subnet() const { return subnet_; }
  const Mac& mac() const { return mac_; }
  const std::vector<Port>& ports() const { return text_.ports; }
  /// Empty on the default network.
  std::filesystem::path hosts_file() const;

 private:
  friend Attachment attach(const std::filesystem::path& state, const Request& request,
                           NewNamespace& inside);
  Attachment(std::filesystem::path state, Network network, Lease lease, LeaseText text, Mac mac)
      : state_(std::move(state)),
        network_(std::move(network)),
        subnet_(Subnet::parse(network_.subnet)),
        lease_(std::move(lease)),
        text_(std::move(text)),
        mac_(mac) {}

  std::filesystem::path state_;
  Network network_;
  Subnet subnet_;
  Lease lease_;
  LeaseText text_;
  Mac mac_;
  bool is_published_ = false;
  bool owns_ = true;
};

/// Wires `inside` to the network that `request` names. [spec/network.md 2]
Attachment attach(const std::filesystem::path& state, const Request& request, NewNamespace& inside);

/// Ports with 0 replaced by free ones. Throws Unavailable (id "port-in-use") for one that a program
/// of the host listens on, Denied for one below the ports that everybody may use.
std::vector<Port> choose_host_ports(std::vector<Port> ports);

/// Writes the member's /etc/hosts for the first time and tells all members about each other.
void write_hosts_file(const std::filesystem::path& state, const Network& network,
                      const std::string& id, const std::string& text);

}  // namespace network
