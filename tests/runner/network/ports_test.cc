#include "runner/network/ports.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "runner/network/host_ports.h"
#include "runner/network/links.h"

namespace network {
namespace {

std::string all(const std::string& text) {
  std::string out;
  for (const Port& port : parse_ports(text)) out += str(port) + " ";
  return out;
}

TEST(Ports, ReadEverySpelling) {
  EXPECT_EQ(all("8080:80"), "0.0.0.0:8080->80/tcp ");
  EXPECT_EQ(all("80"), "0.0.0.0:0->80/tcp ");
  EXPECT_EQ(all("127.0.0.1:8080:80/udp"), "127.0.0.1:8080->80/udp ");
  EXPECT_EQ(all("127.0.0.1::80"), "127.0.0.1:0->80/tcp ");
  EXPECT_EQ(all("0.0.0.0:53:53/UDP"), "0.0.0.0:53->53/udp ");
  EXPECT_EQ(all("[::1]:8080:80"), "[::1]:8080->80/tcp ");
  EXPECT_EQ(all("[fd00:0:0::1]::80"), "[fd00::1]:0->80/tcp ");
  EXPECT_EQ(all("8000-8001:80-81"), "0.0.0.0:8000->80/tcp 0.0.0.0:8001->81/tcp ");
}

TEST(Ports, RefuseWhatTheyAreNot) {
  for (const char* text : {"", ":", ":80", "0:80", "65536:80", "80:", "a:80", "80:80/icmp",
                           "80:80:80", "81-80:80-81", "80-81:80-82", "::1:80:80", "[::1:80:80",
                           "[1.2.3.4]:80:80", "[::1]:80", "1.2.3:80:80", "-1:80", "80/"})
    EXPECT_THROW(parse_ports(text), base::Error) << text;
  EXPECT_THROW(parse_exposed("80:80"), base::Error);
}

bool clash(const char* one, const char* other) {
  return overlap(parse_ports(one).front(), parse_ports(other).front());
}

TEST(Ports, ClashWhereOneAddressWouldLeadToTwo) {
  EXPECT_TRUE(clash("80:80", "127.0.0.1:80:81"));
  EXPECT_TRUE(clash("80:80", "[::1]:80:81"));
  EXPECT_TRUE(clash("[::]:80:80", "[::1]:80:81"));
  EXPECT_FALSE(clash("[::]:80:80", "127.0.0.1:80:81"));
  EXPECT_FALSE(clash("[::1]:80:80", "[::2]:80:81"));
  EXPECT_FALSE(clash("80:80", "80:80/udp"));
}

TEST(Subnets, KnowWhatIsInThem) {
  Subnet subnet = Subnet::parse("10.89.4.0/22");
  EXPECT_TRUE(subnet.contains(Ip4::parse("10.89.7.255")));
  EXPECT_FALSE(subnet.contains(Ip4::parse("10.89.8.0")));
  EXPECT_TRUE(subnet.overlaps(Subnet::parse("10.0.0.0/8")));
  EXPECT_FALSE(subnet.overlaps(Subnet::parse("10.89.8.0/24")));
  EXPECT_EQ(subnet.str(), "10.89.4.0/22");
  for (const char* text : {"10.89.4.0", "10.89.4.1/22", "10.89.4.0/31", "10.89.4.0/x", "::/64"})
    EXPECT_THROW(Subnet::parse(text), base::Error) << text;
}

TEST(Macs, AreOfOneInterface) {
  EXPECT_EQ(str(parse_mac("02:00:0A:59:00:02")), "02:00:0a:59:00:02");
  for (const char* text : {"", "02:00:0a:59:00", "01:00:00:00:00:00", "02:00:0a:59:00:0g"})
    EXPECT_THROW(parse_mac(text), base::Error) << text;
}

}  // namespace
}  // namespace network
