#include "runner/network/state.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/support/temp_dir.h"

namespace network {
namespace {

Network small_network() {
  Network network;
  network.name = "small";
  network.subnet = "10.0.0.0/29";
  network.gateway = "10.0.0.1";
  network.bridge = "torte-x";
  return network;
}

class Leases : public testing::Test {
 protected:
  support::TempDir directory_;
  StateDirectory state_{directory_.path() / "net"};
  Network network_ = small_network();
};

TEST_F(Leases, GiveEveryAddressOnceAndSayWhenNoneIsLeft) {
  std::vector<Lease> leases;
  for (const char* address : {"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"})
    EXPECT_EQ(leases.emplace_back(state_.allocate(network_, {})).address().str(), address);
  EXPECT_THROW(state_.allocate(network_, {}), base::Error);
  leases.clear();
  EXPECT_TRUE(state_.leases(network_).empty());
}

TEST_F(Leases, RestAsLongAsTheyCanBeforeTheyAreGivenAgain) {
  { Lease lease = state_.allocate(network_, {}); }
  EXPECT_EQ(state_.allocate(network_, {}).address().str(), "10.0.0.3");
}

TEST_F(Leases, AreTakenByAddress) {
  Lease lease = state_.allocate(network_, Ip4::parse("10.0.0.4"));
  EXPECT_THROW(state_.allocate(network_, Ip4::parse("10.0.0.4")), base::Error);
  for (const char* address : {"10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.1.2"})
    EXPECT_THROW(state_.allocate(network_, Ip4::parse(address)), base::Error) << address;
}

TEST_F(Leases, AreLiveWhileSomebodyHoldsThem) {
  LeaseText text;
  text.id = "0123456789ab";
  text.hostname = "web";
  text.aliases = {"www"};
  text.hosts_file = "/run/a b/hosts/id";
  text.is_further = true;
  text.ports = {{"127.0.0.1", 8080, 80, Protocol::kTcp}, {"", 53, 53, Protocol::kUdp}};
  Lease lease = state_.allocate(network_, {});
  lease.write(text);
  auto found = state_.leases(network_);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].is_live);
  EXPECT_EQ(found[0].text.ports, text.ports);
  EXPECT_EQ(found[0].text.encode(), text.encode());
  EXPECT_EQ(found[0].text.hosts_file, text.hosts_file);
  EXPECT_TRUE(found[0].text.is_further);
}

TEST_F(Leases, OfTheDeadAreKnownByTheirFreeLock) {
  std::filesystem::path file = directory_.path() / "net/leases/small/10.0.0.2";
  std::filesystem::create_directories(file.parent_path());
  { std::ofstream(file) << "id x\nlink e0\nport 0.0.0.0 80 80 tcp\n"; }
  auto found = state_.leases(network_);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].is_live);
  EXPECT_EQ(found[0].text.ports.size(), 1u);
}

TEST_F(Leases, NetworksAreReadAsTheyWereSaved) {
  Network network = small_network();
  network.labels = {{"a", "b"}};
  network.internal = true;
  state_.save(network);
  auto found = state_.find("small");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->subnet, network.subnet);
  EXPECT_EQ(found->labels, network.labels);
  EXPECT_TRUE(found->internal);
  EXPECT_EQ(state_.list().size(), 1u);
}

}  // namespace
}  // namespace network
