#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/sys/lock.h"
#include "runner/network/links.h"
#include "runner/network/network.h"

/// What is remembered of networks, and drawn here alone:
///
///   STATE/lock               held around every change below
///   STATE/NAME.json          one network
///   STATE/NAME.last          the address given out last: an address rests as long as it can before
///                            it is given again, because a namespace takes a while to go
///   STATE/leases/NAME/IP     one container's address; who owns it holds the file locked (flock),
///   so
///                            that the lease of a killed owner is known by its free lock
///   STATE/hosts/ID           /etc/hosts of a container whose first network is here
namespace network {

/// The text of a lease: one "key value.." line each.
struct LeaseText {
  std::string id;
  std::string hostname;
  std::string link;  ///< the host's end of the veth pair
  std::vector<std::string> aliases;
  std::vector<Port> ports;
  std::string hosts_file;   ///< the container's /etc/hosts, kept up to date; empty: none
  std::string address6;     ///< empty: none
  bool is_further = false;  ///< the container was on another network before
  bool is_apart = false;    ///< Request::is_apart

  std::string encode() const;
  static LeaseText decode(const std::string& text);
};

/// An address while it is ours. Dropping it gives it back. Move-only.
class Lease {
 public:
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease();
  Ip4 address() const { return address_; }
  void write(const LeaseText& text);

 private:
  friend class StateDirectory;
  Lease(std::filesystem::path path, Ip4 address, sys::UniqueFd file)
      : path_(std::move(path)), address_(address), file_(std::move(file)) {}
  std::filesystem::path path_;
  Ip4 address_;
  sys::UniqueFd file_;
};

/// The directory. Everything but construction expects the caller to hold lock().
class StateDirectory {
 public:
  explicit StateDirectory(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  sys::FileLock lock() const;

  std::optional<Network> find(const std::string& name) const;
  std::vector<Network> list() const;
  void save(const Network& network) const;
  void remove(const Network& network) const;

  /// The interface's name for a network of this directory: torte0 for the machine's default one,
  /// else one that no other directory has.
  std::string bridge_name(const std::string& network) const;

  /// Takes `wanted`, or the next free address. Throws Unavailable (id "address-in-use",
  /// "no-free-address"), Invalid when the network does not have it.
  Lease allocate(const Network& network, std::optional<Ip4> wanted) const;

  struct Found {
    Ip4 address;
    LeaseText text;
    bool is_live = false;  ///< somebody holds it
    std::filesystem::path path;
    sys::UniqueFd file;  ///< of a dead one: held, so that it cannot come to life
  };
  std::vector<Found> leases(const Network& network) const;
  std::filesystem::path hosts_file(const std::string& id) const { return path_ / "hosts" / id; }

 private:
  std::filesystem::path lease_directory(const std::string& name) const {
    return path_ / "leases" / name;
  }
  std::filesystem::path path_;
};

/// Letters, digits, "_.-", starting with a letter or digit, at most 63. Throws Invalid.
void check_network_name(const std::string& name);

}  // namespace network
