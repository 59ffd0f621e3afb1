#include "store/oci/reference.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace {

using oci::Reference;

const std::string kHex(64, 'f');

TEST(Reference, NormalisesAsDockerDoes) {
  EXPECT_EQ(Reference::parse("busybox").name(), "docker.io/library/busybox");
  EXPECT_EQ(Reference::parse("index.docker.io/busybox").name(), "docker.io/library/busybox");
  EXPECT_EQ(Reference::parse("user/app:1.0").str(), "docker.io/user/app:1.0");
  EXPECT_EQ(Reference::parse("localhost/app").domain(), "localhost");
  EXPECT_EQ(Reference::parse("localhost:5000/a/b:t").domain(), "localhost:5000");
  EXPECT_EQ(Reference::parse("FOO/bar").name(), "FOO/bar");
  EXPECT_EQ(Reference::parse("[fc00::1]:5000/x").domain(), "[fc00::1]:5000");
  EXPECT_EQ(Reference::parse("192.168.1.1:5000").tag(), "5000");
  EXPECT_EQ(Reference::parse("foo_bar.com/x").name(), "foo_bar.com/x");
}

TEST(Reference, ReadsTagAndDigest) {
  Reference ref = Reference::parse("r.io/a:tag@sha256:" + kHex);
  EXPECT_EQ(ref.tag(), "tag");
  EXPECT_EQ(ref.digest()->hex(), kHex);
  EXPECT_EQ(ref.str(), "r.io/a:tag@sha256:" + kHex);
  EXPECT_EQ(ref.with_tag("x").str(), "r.io/a:x");
  EXPECT_EQ(ref.with_digest(oci::Digest::sha256_of("")).tag(), "");
}

TEST(Reference, RefusesWhatDockerRefuses) {
  for (const std::string& bad : {std::string(),
                                 std::string(":t"),
                                 std::string("a:"),
                                 std::string("a//b"),
                                 std::string("/a"),
                                 std::string("a/"),
                                 std::string("Upper"),
                                 std::string("a/Upper"),
                                 std::string("a..b"),
                                 std::string("a___b"),
                                 std::string("-a"),
                                 std::string("a-"),
                                 std::string("a b"),
                                 std::string("a@sha256:xyz"),
                                 std::string("a@md5:") + kHex,
                                 kHex,
                                 "sha256:" + kHex + "/x",
                                 std::string("host:port/x"),
                                 std::string("[fe80::1%eth0]:5000/r"),
                                 std::string("a:.t"),
                                 "a:" + std::string(129, 't'),
                                 "r.io/" + std::string(256, 'a'),
                                 std::string("a\0b", 3),
                                 std::string("a:t\n")}) {
    EXPECT_FALSE(Reference::try_parse(bad)) << bad;
  }
}

TEST(Reference, FamiliarFormReadsBackAsTheSame) {
  for (const char* text :
       {"busybox", "busybox:latest", "user/app", "localhost/app", "library/foo/bar",
        "quay.io/a/b:1", "docker.io/a.b/c", "r.io/library/x"}) {
    Reference ref = Reference::parse(text);
    EXPECT_EQ(Reference::parse(ref.familiar()), ref) << text;
    EXPECT_EQ(Reference::parse(ref.str()), ref) << text;
  }
  EXPECT_EQ(Reference::parse("docker.io/library/busybox:latest").familiar(), "busybox:latest");
}

TEST(Reference, DefaultTagIsForNamesWithNeither) {
  EXPECT_EQ(Reference::parse("a").with_default_tag().tag(), "latest");
  EXPECT_EQ(Reference::parse("a:b").with_default_tag().tag(), "b");
  EXPECT_EQ(Reference::parse("a@sha256:" + kHex).with_default_tag().tag(), "");
}

}  // namespace
