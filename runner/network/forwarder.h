#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/sys/process.h"
#include "runner/network/links.h"
#include "runner/network/network.h"

namespace network {

/// The program that carries an ordinary user's packets: pasta or slirp4netns, a child of ours that
/// is killed with the thread that started it. Dropping the Forwarder ends it. Move-only.
/// [spec/network.md 4]
class Forwarder {
 public:
  /// Starts the one that `request` names, or the first that works, and waits until the namespace has
  /// an address. Throws Unsupported (id "no-private-network") with what each of them said.
  static Forwarder start(const Request& request, NewNamespace& inside);

  const std::string& interface() const { return interface_; }
  const std::string& address() const { return address_; }  ///< with prefix length
  const std::string& gateway() const { return gateway_; }
  /// A name server that leads to the host's own; empty when there is none.
  const std::string& name_server() const { return name_server_; }

 private:
  Forwarder() = default;
  static Forwarder start_pasta(const Request& request, NewNamespace& inside);
  static Forwarder start_slirp(const Request& request, NewNamespace& inside);
  void wait_for_address(NewNamespace& inside, const std::string& output_name, int output);

  sys::Process process_;
  sys::UniqueFd exit_pipe_;  ///< slirp4netns ends when our end of it closes
  std::string interface_, address_, gateway_, name_server_;
};

}  // namespace network
