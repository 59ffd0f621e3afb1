#include "runner/network/ip6.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace network {
namespace {

TEST(Ip6, IsWrittenInItsShortestFormAndAdds) {
  EXPECT_EQ(Ip6::parse("FD00:0:0::00ff").str(), "fd00::ff");
  EXPECT_EQ((Ip6::parse("fd00::ff") + 1).str(), "fd00::100");
  EXPECT_EQ((Ip6::parse("fd00::ffff:ffff:ffff:ffff") + 2).str(), "fd00:0:0:1::1");
  for (const char* text : {"", "fd00::%eth0", "10.0.0.1", "fd00::/64", "fd00::1::2"})
    EXPECT_THROW(Ip6::parse(text), base::Error) << text;
}

TEST(Subnets6, KnowWhatIsInThem) {
  const Subnet6 subnet = Subnet6::parse("fd00:77::/60");
  EXPECT_TRUE(subnet.contains(Ip6::parse("fd00:77:0:f::1")));
  EXPECT_FALSE(subnet.contains(Ip6::parse("fd00:77:0:10::1")));
  EXPECT_TRUE(subnet.overlaps(Subnet6::parse("fd00::/16")));
  EXPECT_FALSE(subnet.overlaps(Subnet6::parse("fd00:78::/64")));
  EXPECT_EQ(subnet.str(), "fd00:77::/60");
  for (const char* text : {"fd00::", "fd00::1/64", "fd00::/8", "fd00::/127", "10.0.0.0/24"})
    EXPECT_THROW(Subnet6::parse(text), base::Error) << text;
}

TEST(Subnets6, OfOnesOwnAreUniqueLocal) {
  const Subnet6 one = Subnet6::unique_local();
  EXPECT_EQ(one.base.bytes[0], 0xfd);
  EXPECT_EQ(one.prefix, 64);
  EXPECT_TRUE(one.contains(one.base));
  EXPECT_NE(one.base, Subnet6::unique_local().base);
}

TEST(Addresses6, FollowTheHintUnlessSomebodyHasThem) {
  const Subnet6 subnet = Subnet6::parse("fd00::/124");
  const Ip6 gateway = Ip6::parse("fd00::1");
  std::vector<Ip6> taken;
  EXPECT_EQ(free_address(subnet, gateway, taken, 5)->str(), "fd00::5");
  EXPECT_EQ(free_address(subnet, gateway, taken, 0)->str(), "fd00::2");
  taken = {Ip6::parse("fd00::f")};
  EXPECT_EQ(free_address(subnet, gateway, taken, 15)->str(), "fd00::2");
  EXPECT_EQ(free_address(subnet, gateway, taken, 200)->str(), "fd00::2");
  for (uint64_t i = 2; i < 15; ++i) taken.push_back(subnet.base + i);
  EXPECT_EQ(free_address(subnet, gateway, taken, 5), std::nullopt);
}

}  // namespace
}  // namespace network
