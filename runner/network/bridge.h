#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "runner/network/firewall.h"
#include "runner/network/links.h"
#include "runner/network/network.h"
#include "runner/network/state.h"

namespace network {

/// Which of a container's networks is being wired.
struct Wiring {
  int number = 0;           ///< of its interface, eth0 and so on
  bool is_further = false;  ///< not the one it was started on
  bool default_route = true;
  bool default_route6 = true;
  std::filesystem::path hosts_file;  ///< with is_further: the file that is bound already, or empty
  std::string interface() const { return "eth" + std::to_string(number); }
};

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
  /// With prefix length; empty where the network has no IPv6.
  std::string address6() const;
  const Mac& mac() const { return mac_; }
  const std::vector<Port>& ports() const { return text_.ports; }
  const std::string& interface() const { return interface_; }
  /// How its way out begins; empty on an internal network.
  std::string gateway() const { return network_.internal ? "" : network_.gateway; }
  std::string gateway6() const { return network_.internal ? "" : network_.gateway6; }
  const std::vector<std::string>& aliases() const { return text_.aliases; }
  bool is_further() const { return text_.is_further; }
  /// Where the container's /etc/hosts is kept; empty where it is not.
  const std::string& hosts_file() const { return text_.hosts_file; }
  /// Writes the members of a user-defined network into the hosts files of all of them.
  void tell_members() const;

 private:
  /// attach(), where the bridges are.
  static Attachment make(const std::filesystem::path& state, const Request& request,
                         const Wiring& wiring, NewNamespace& inside);
  friend Attachment attach(const std::filesystem::path& state, const Request& request,
                           const Wiring& wiring, NewNamespace& inside);
  Attachment(std::filesystem::path state, Network network, Lease lease, LeaseText text,
             std::string interface, Mac mac)
      : state_(std::move(state)),
        network_(std::move(network)),
        subnet_(Subnet::parse(network_.subnet)),
        lease_(std::move(lease)),
        text_(std::move(text)),
        interface_(std::move(interface)),
        mac_(mac) {}

  std::filesystem::path state_;
  Network network_;
  Subnet subnet_;
  Lease lease_;
  LeaseText text_;
  std::string interface_;
  Mac mac_;
  bool is_published_ = false;
  bool owns_ = true;
};

/// Wires `inside` to the network that `request` names. Throws Unavailable (id "no-holder") where an
/// ordinary user's bridges are gone. [spec/network.md 2]
Attachment attach(const std::filesystem::path& state, const Request& request, const Wiring& wiring,
                  NewNamespace& inside);

}  // namespace network
