#include "store/registry/url.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace registry {
namespace {

std::string resolved(const char* base, const char* reference) {
  auto url = Url::parse(base).resolve(reference);
  return url ? url->str() : "refused";
}

TEST(Url, IsReadInItsParts) {
  Url url = Url::parse("HTTPS://Registry.Example:443/v2/a?x=1#part");
  EXPECT_EQ(url.origin().scheme, "https");
  EXPECT_EQ(url.origin().host, "registry.example");
  EXPECT_EQ(url.origin().port, 443);
  EXPECT_EQ(url.target(), "/v2/a?x=1");
  EXPECT_EQ(url.str(), "https://registry.example/v2/a?x=1");
  EXPECT_EQ(Url::parse("http://[::1]:5000").origin().authority(), "[::1]:5000");
}

TEST(Url, DropsUserInformation) {
  EXPECT_EQ(Url::parse("http://user:secret@host/x").str(), "http://host/x");
  EXPECT_EQ(resolved("http://host/", "//u:p@other/y"), "http://other/y");
}

TEST(Url, RefusesWhatIsNoWebAddress) {
  for (const char* text :
       {"", "/v2/", "file:///etc/passwd", "ftp://host/", "http://", "http:///x", "http://host:0/",
        "http://host:70000/", "http://ho st/", "http://host/a b", "http://host/\r\nX: y",
        "http://[::1/", "http://[zz]/", "https://h\xc3\xb6st/"})
    EXPECT_FALSE(Url::try_parse(text)) << text;
  EXPECT_THROW(Url::parse("gopher://x"), base::Error);
}

TEST(Url, ResolvesLocations) {
  const char* kBase = "https://r.example:5000/v2/app/blobs/uploads/?a=b";
  EXPECT_EQ(resolved(kBase, "/v2/x?y=z"), "https://r.example:5000/v2/x?y=z");
  EXPECT_EQ(resolved(kBase, "77?state=s"),
            "https://r.example:5000/v2/app/blobs/uploads/77?state=s");
  EXPECT_EQ(resolved(kBase, "../up"), "https://r.example:5000/v2/app/blobs/up");
  EXPECT_EQ(resolved(kBase, "/../../x"), "https://r.example:5000/x");
  EXPECT_EQ(resolved(kBase, "?n=2"), "https://r.example:5000/v2/app/blobs/uploads/?n=2");
  EXPECT_EQ(resolved(kBase, "//cdn.example/b"), "https://cdn.example/b");
  EXPECT_EQ(resolved(kBase, "http://cdn.example/b"), "http://cdn.example/b");
  EXPECT_EQ(resolved(kBase, "file:///etc/passwd"), "refused");
  EXPECT_EQ(resolved(kBase, "/a\nb"), "refused");
}

TEST(Url, AddsEscapedQueries) {
  EXPECT_EQ(Url::parse("http://h/u?s=1").with_query("digest", "sha256:ab").str(),
            "http://h/u?s=1&digest=sha256%3Aab");
  EXPECT_EQ(Url::parse("http://h/u").with_query("a", "b c&d").str(), "http://h/u?a=b%20c%26d");
}

TEST(Url, KnowsThisMachine) {
  for (const char* host : {"localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"})
    EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const char* host : {"localhost.example", "128.0.0.1", "127.0.0.1.example", "127", "[::2]"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

}  // namespace
}  // namespace registry
