#include "runner/network/names.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace network {
namespace {

TEST(Hosts, NameTheContainerTheHostAndThePeers) {
  Request request;
  request.hostname = "web";
  request.aliases = {"www"};
  request.extra_hosts = {{"ship", "192.0.2.7"}, {"me", "host-gateway"}};
  Surroundings around;
  around.own_address = "10.89.0.2";
  around.host_address = "10.89.0.1";
  around.peers = {{"10.89.0.3", {"db", "store"}}};
  EXPECT_EQ(hosts_text(request, around),
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
            "10.89.0.2\tweb www\n"
            "10.89.0.1\thost.torte.internal host.containers.internal host.docker.internal\n"
            "192.0.2.7\tship\n10.89.0.1\tme\n10.89.0.3\tdb store\n");
}

TEST(Hosts, NameTheContainerByBothItsAddresses) {
  Request request;
  request.hostname = "web";
  Surroundings around;
  around.own_address = "10.89.0.2";
  around.own_address6 = "fd00::2";
  EXPECT_NE(hosts_text(request, around).find("10.89.0.2\tweb\nfd00::2\tweb\n"), std::string::npos);
}

TEST(Hosts, RefuseWhatWouldMakeAnotherLine) {
  Request request;
  request.extra_hosts = {{"a\n1.2.3.4 b", "192.0.2.7"}};
  EXPECT_THROW(hosts_text(request, {}), base::Error);
  request.extra_hosts = {{"a", "192.0.2.7\n1.2.3.4 b"}};
  EXPECT_THROW(hosts_text(request, {}), base::Error);
  request.extra_hosts = {{"a", "host-gateway"}};  // with no host to be reached
  EXPECT_THROW(hosts_text(request, {}), base::Error);
}

TEST(Resolver, IsWhatDnsFlagsSay) {
  Request request;
  request.dns = {"192.0.2.53", "2001:db8::53"};
  request.dns_search = {"example.org"};
  request.dns_options = {"ndots:2"};
  EXPECT_EQ(
      resolv_text(request, {}),
      "search example.org\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:2\n");
  request.dns = {"nobody"};
  EXPECT_THROW(resolv_text(request, {}), base::Error);
}

TEST(Modes, AreReadFromTheirSpelling) {
  EXPECT_EQ(parse_mode("none").mode, Mode::kNone);
  EXPECT_EQ(parse_mode("bridge").mode, Mode::kPrivate);
  EXPECT_EQ(parse_mode("back-end").name, "back-end");
  EXPECT_EQ(parse_mode("ns:/run/netns/x").path, "/run/netns/x");
  EXPECT_EQ(parse_mode("pasta:-m,1500").arguments, (std::vector<std::string>{"-m", "1500"}));
  for (const char* text : {"", "none:x", "ns:", "ns:relative", "a/b", "../x", "a b"})
    EXPECT_THROW(parse_mode(text), base::Error) << text;
}

}  // namespace
}  // namespace network
