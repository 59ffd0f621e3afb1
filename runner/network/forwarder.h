#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/process.h"
#include "runner/network/links.h"
#include "runner/network/network.h"

namespace network {

/// The program that carries an ordinary user's packets: pasta or slirp4netns, which never
/// outlives us. Dropping the Forwarder ends it. Move-only.
/// [spec/network.md 4]
class Forwarder {
 public:
  /// Starts the one that `request` names, or the first that works, and waits until the namespace
  /// has an address. Throws Unsupported (id "no-private-network") with what each of them said.
  /// `scratch` is a directory of ours.
  static Forwarder start(const Request& request, NewNamespace& inside,
                         const std::filesystem::path& scratch);

  /// One that serves a namespace full of bridges, whose ports come and go: slirp4netns, else pasta,
  /// which cannot open ports later.
  static Forwarder start_for_many(NewNamespace& inside, const std::filesystem::path& scratch);
  /// With start_for_many(): leads a port of the host to the namespace's. Returns a number for
  /// close_port(). Throws Unavailable (id "port-in-use"), Unsupported with pasta.
  int open_port(const Port& port);
  void close_port(int number);

  Forwarder(Forwarder&&) noexcept;
  Forwarder& operator=(Forwarder&&) = delete;
  ~Forwarder();

  const std::string& interface() const { return interface_; }
  const std::string& address() const { return address_; }  ///< with prefix length
  const std::string& gateway() const { return gateway_; }
  /// A name server that leads to the host's own; empty when there is none.
  const std::string& name_server() const { return name_server_; }

 private:
  /// A directory of ours, gone with it, where slirp4netns makes the socket it takes orders on.
  class ControlDirectory;
  Forwarder();
  static Forwarder start_pasta(const Request& request, NewNamespace& inside,
                               const std::filesystem::path& scratch);
  static Forwarder start_slirp(const Request& request, NewNamespace& inside, bool takes_ports);
  void wait_for_address(NewNamespace& inside, const std::string& output_name, int output);

  sys::Companion companion_;
  std::unique_ptr<ControlDirectory> control_;  ///< of slirp4netns that takes ports
  std::string interface_, address_, gateway_, name_server_;
};

}  // namespace network
