#include "builder/dockerfile/mode.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "builder/dockerfile/ports.h"
#include "builder/dockerfile/signal.h"

namespace dockerfile {
namespace {

TEST(FileModeC71, AppliesOctalAndSymbolicModes) {
  EXPECT_EQ(FileMode("4755").apply(0644, false), 04755u);
  EXPECT_EQ(FileMode("u=rwX,go=rX").apply(0600, false), 0644u);
  EXPECT_EQ(FileMode("u=rwX,go=rX").apply(0700, true), 0755u);
  EXPECT_EQ(FileMode("u=rwX,go=rX").apply(0710, false), 0755u);
  EXPECT_EQ(FileMode("+x").apply(0644, false), 0755u);
  EXPECT_EQ(FileMode("g=u").apply(0640, false), 0660u);
  EXPECT_EQ(FileMode("a-w,u+s").apply(0666, false), 04444u);
  EXPECT_EQ(FileMode("+t").apply(0777, true), 01777u);
  EXPECT_EQ(FileMode("go-rwx").apply(0777, false), 0700u);
}

TEST(FileModeC71, TreatsSpecialBitsAsBsdDoes) {
  EXPECT_EQ(FileMode("a=rX").apply(02750, true), 0555u);   // = clears set-id bits of directories
  EXPECT_EQ(FileMode("g=u").apply(02710, false), 02770u);  // a copy leaves them alone
  EXPECT_EQ(FileMode("a=rwx").apply(01700, true), 01777u);
  EXPECT_EQ(FileMode("u=rwx+t").apply(0600, false), 01700u);
  EXPECT_EQ(FileMode("o+st").apply(0644, false), 0644u);  // others have neither
  EXPECT_EQ(FileMode("a-x+X").apply(0755, false), 0755u);
  EXPECT_EQ(FileMode("a-x+X").apply(0644, false), 0644u);
}

TEST(FileModeC71, RefusesOtherText) {
  for (const char* text : {"", "8", "10000", "u", "u=q", "rwx", "u=r,", "0x1", "u=gr", "-1"})
    EXPECT_THROW(FileMode{text}, base::Error) << text;
}

TEST(FileModeC75, GivesCreatedDirectoriesTheOctalMode) {
  EXPECT_EQ(FileMode("700").for_created_directory(), 0700u);
  EXPECT_EQ(FileMode("u=r").for_created_directory(), 0755u);
}

TEST(Ports, ReadRangesAndProtocols) {
  EXPECT_EQ(parse_port("80").keys(), std::vector<std::string>{"80/tcp"});
  EXPECT_EQ(parse_port("80-82/UDP").keys(),
            (std::vector<std::string>{"80/udp", "81/udp", "82/udp"}));
  EXPECT_TRUE(parse_port("80/UDP").protocol_has_upper);
  EXPECT_TRUE(parse_port("127.0.0.1:8080:80").has_host_part);
  EXPECT_EQ(parse_port("127.0.0.1:8080:80").first, 80);
  EXPECT_EQ(parse_port("[::1]:8080-8082:80").keys(), std::vector<std::string>{"80/tcp"});
  EXPECT_EQ(parse_port("::80").first, 80);
  for (const char* text : {"", "x", "65536", "2-1", "80/ip", "-1", "1-", "x:80", "80:", "70000:80",
                           "host:1:2", "[z]:1:2", "1:2-3"})
    EXPECT_THROW(parse_port(text), base::Error) << text;
}

TEST(Signals, AreThoseOfLinux) {
  for (const char* text : {"SIGTERM", "term", "9", "RTMIN+3", "SIGRTMAX-1", "sigusr1"})
    EXPECT_TRUE(is_signal(text)) << text;
  for (const char* text : {"", "0", "-1", "SIGFOO", "RTMIN+", "RTMIN+99"})
    EXPECT_FALSE(is_signal(text)) << text;
}

}  // namespace
}  // namespace dockerfile
