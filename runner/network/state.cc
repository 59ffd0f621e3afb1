#include "runner/network/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/text.h"

namespace network {

namespace {

using nlohmann::json;

constexpr uint64_t kMostBytes = 1 << 20;
constexpr const char* kMachineState = "/run/torte/net";

std::string read_whole(int fd) {
  sys::FdSource source(fd, "lease");
  return base::read_all(source, kMostBytes);
}

json to_json(const Network& network) {
  json labels = json::object();
  for (const auto& [name, value] : network.labels) labels[name] = value;
  return {
      {"name", network.name},         {"bridge", network.bridge},     {"subnet", network.subnet},
      {"gateway", network.gateway},   {"ipv6", network.ipv6},         {"subnet6", network.subnet6},
      {"gateway6", network.gateway6}, {"internal", network.internal}, {"mtu", network.mtu},
      {"implicit", network.implicit}, {"created", network.created},   {"labels", labels}};
}

Network from_json(const json& document) {
  Network network;
  network.name = document.at("name").get<std::string>();
  network.bridge = document.at("bridge").get<std::string>();
  network.subnet = document.at("subnet").get<std::string>();
  network.gateway = document.at("gateway").get<std::string>();
  network.ipv6 = document.value("ipv6", false);
  network.subnet6 = document.value("subnet6", "");
  network.gateway6 = document.value("gateway6", "");
  network.internal = document.at("internal").get<bool>();
  network.mtu = document.at("mtu").get<uint32_t>();
  network.implicit = document.at("implicit").get<bool>();
  network.created = document.at("created").get<int64_t>();
  for (const auto& [name, value] : document.at("labels").items())
    network.labels.emplace_back(name, value.get<std::string>());
  return network;
}

Network read_network(const std::filesystem::path& path, const std::string& text) {
  try {
    return from_json(json::parse(text));
  } catch (const json::exception& e) {
    throw base::Error(base::Code::kCorrupt, "network record " + path.string() + ": " + e.what(),
                      "network-record")
        .add_help("remove the file; the network is made again when it is needed");
  }
}

/// True when it is ours now; false when somebody has it.
bool try_lock(int fd) {
  while (::flock(fd, LOCK_EX | LOCK_NB) < 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) base::throw_errno("lock lease");
  }
  return true;
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string LeaseText::encode() const {
  std::string text = base::str("id ", id, "\nhostname ", hostname, "\nlink ", link, "\n");
  for (const std::string& alias : aliases) text += base::str("alias ", alias, "\n");
  for (const Port& port : ports)
    text += base::str("port ", port.host_address.empty() ? "0.0.0.0" : port.host_address, " ",
                      port.host, " ", port.container, " ", name_of(port.protocol), "\n");
  if (!hosts_file.empty()) text += base::str("hosts-file ", hosts_file, "\n");
  if (!address6.empty()) text += base::str("address6 ", address6, "\n");
  if (is_further) text += "further\n";
  if (is_apart) text += "apart\n";
  return text;
}

LeaseText LeaseText::decode(const std::string& text) {
  LeaseText lease;
  for (const std::string& line : base::split(text, '\n')) {
    std::vector<std::string> words = base::split(line, ' ');
    constexpr std::string_view kHostsFile = "hosts-file ";
    if (line.starts_with(kHostsFile)) lease.hosts_file = line.substr(kHostsFile.size());
    if (line == "further") lease.is_further = true;
    if (line == "apart") lease.is_apart = true;
    if (words.size() < 2) continue;
    if (words[0] == "id") lease.id = words[1];
    if (words[0] == "hostname") lease.hostname = words[1];
    if (words[0] == "link") lease.link = words[1];
    if (words[0] == "address6") lease.address6 = words[1];
    if (words[0] == "alias") lease.aliases.push_back(words[1]);
    if (words[0] != "port" || words.size() != 5) continue;
    Port port;
    if (words[1] != "0.0.0.0") port.host_address = words[1];
    port.host = static_cast<uint16_t>(base::parse_decimal(words[2]).value_or(0));
    port.container = static_cast<uint16_t>(base::parse_decimal(words[3]).value_or(0));
    port.protocol = words[4] == "udp" ? Protocol::kUdp : Protocol::kTcp;
    lease.ports.push_back(port);
  }
  return lease;
}

Lease::~Lease() {
  if (file_) ::unlink(path_.c_str());
}

void Lease::write(const LeaseText& text) {
  std::string bytes = text.encode();
  if (::ftruncate(file_.get(), 0) < 0 ||
      ::pwrite(file_.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    base::throw_errno("write lease " + path_.string());
}

StateDirectory::StateDirectory(std::filesystem::path path) : path_(std::move(path)) {
  sys::make_directories(path_ / "leases");
}

sys::FileLock StateDirectory::lock() const {
  return sys::FileLock::acquire(path_ / "lock", sys::FileLock::Mode::kExclusive);
}

std::optional<Network> StateDirectory::find(const std::string& name) const {
  std::filesystem::path path = path_ / (name + ".json");
  std::optional<std::string> text = sys::find_user_file(path, kMostBytes);
  if (!text) return std::nullopt;
  return read_network(path, *text);
}

std::vector<Network> StateDirectory::list() const {
  std::vector<Network> networks;
  for (const std::string& file : names_in(path_)) {
    if (!file.ends_with(".json")) continue;
    if (auto network = find(file.substr(0, file.size() - 5))) networks.push_back(*network);
  }
  return networks;
}

void StateDirectory::save(const Network& network) const {
  sys::make_directories(lease_directory(network.name));
  sys::write_file_durably(path_ / (network.name + ".json"), to_json(network).dump(2) + "\n", 0600);
}

void StateDirectory::remove(const Network& network) const {
  std::error_code ignored;
  std::filesystem::remove_all(lease_directory(network.name), ignored);
  std::filesystem::remove(path_ / (network.name + ".last"), ignored);
  std::filesystem::remove(path_ / (network.name + ".json"), ignored);
}

std::string StateDirectory::bridge_name(const std::string& network) const {
  if (network == kDefaultNetwork && path_ == kMachineState) return "torte0";
  std::string key = path_.string() + "\n" + network;
  return "torte-" + base::sha256_hex(base::as_bytes(key)).substr(0, 8);
}

Lease StateDirectory::allocate(const Network& network, std::optional<Ip4> wanted) const {
  Subnet subnet = Subnet::parse(network.subnet);
  std::filesystem::path directory = lease_directory(network.name);
  sys::make_directories(directory);
  auto try_take = [&](Ip4 address) {
    std::filesystem::path path = directory / address.str();
    sys::UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file && errno != EEXIST) base::throw_errno("create lease " + path.string());
    if (file) CHECK(try_lock(file.get()));  // nobody else could have it
    return std::pair(path, std::move(file));
  };
  auto is_usable = [&](uint32_t value) {
    uint32_t offset = value - subnet.base.value;
    return offset > 0 && offset < subnet.size() - 1 && Ip4{value}.str() != network.gateway;
  };
  if (wanted) {
    if (!is_usable(wanted->value))
      throw base::Error(
          base::Code::kInvalid,
          base::str("address ", wanted->str(), " is not one for ", "containers of network ",
                    network.name, " (", network.subnet, ")"),
          "bad-address");
    auto [path, file] = try_take(*wanted);
    if (!file)
      throw base::Error(
          base::Code::kUnavailable,
          base::str("address ", wanted->str(), " is in use by container ",
                    LeaseText::decode(sys::find_user_file(path, kMostBytes).value_or("")).id),
          "address-in-use");
    return Lease(std::move(path), *wanted, std::move(file));
  }
  std::filesystem::path last_file = path_ / (network.name + ".last");
  uint32_t last = subnet.base.value;
  if (auto text = sys::find_user_file(last_file, 64)) {
    Ip4 known = Ip4::parse(std::string(base::trim(*text)));
    if (subnet.contains(known)) last = known.value;
  }
  for (uint32_t step = 1; step < subnet.size(); ++step) {
    uint32_t value = subnet.base.value + (last - subnet.base.value + step) % subnet.size();
    if (!is_usable(value)) continue;
    auto [path, file] = try_take({value});
    if (!file) continue;
    sys::UniqueFd note(::open(last_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    std::string text = Ip4{value}.str();
    if (note) sys::write_all(note.get(), base::as_bytes(text), last_file.string());
    return Lease(std::move(path), {value}, std::move(file));
  }
  throw base::Error(
      base::Code::kUnavailable,
      base::str("network ", network.name, " (", network.subnet, ") has no free address left"),
      "no-free-address");
}

std::vector<StateDirectory::Found> StateDirectory::leases(const Network& network) const {
  std::vector<Found> found;
  std::filesystem::path directory = lease_directory(network.name);
  for (const std::string& name : names_in(directory)) {
    Found lease;
    lease.path = directory / name;
    sys::UniqueFd file(::open(lease.path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file) continue;  // given back a moment ago
    lease.address = Ip4::parse(name);
    lease.is_live = !try_lock(file.get());
    lease.text = LeaseText::decode(read_whole(file.get()));
    if (!lease.is_live) lease.file = std::move(file);
    found.push_back(std::move(lease));
  }
  return found;
}

void check_network_name(const std::string& name) {
  constexpr const char* kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  bool good = !name.empty() && name.size() <= 63 &&
              name.find_first_not_of(kAllowed) == std::string::npos && name[0] != '.' &&
              name[0] != '-' && name[0] != '_';
  if (!good)
    throw base::Error(base::Code::kInvalid,
                      "network name " + base::printable(name) +
                          ": letters, digits, _ . - only, a letter or digit first, at most 63",
                      "bad-network-name");
}

}  // namespace network
