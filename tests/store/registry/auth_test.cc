#include "store/registry/auth.h"

#include <gtest/gtest.h>

namespace registry {
namespace {

bool may_ask(const char* registry, const char* realm, bool with_credentials) {
  return may_ask_realm(Url::parse(registry).origin(), Url::parse(realm), with_credentials);
}

TEST(Realm, OfTheSameOriginMayAlwaysBeAsked) {
  EXPECT_TRUE(may_ask("http://127.0.0.1:5000/", "http://127.0.0.1:5000/token", true));
  EXPECT_FALSE(may_ask("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token", true));
  EXPECT_FALSE(may_ask("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token", false));
}

TEST(Realm, GetsCredentialsOnlyOnTheRegistrysOwnDomain) {
  EXPECT_TRUE(may_ask("https://registry-1.docker.io/", "https://auth.docker.io/token", true));
  EXPECT_TRUE(may_ask("https://registry.gitlab.com/", "https://gitlab.com/jwt/auth", true));
  EXPECT_FALSE(may_ask("https://registry.example/", "https://evil.test/token", true));
  EXPECT_TRUE(may_ask("https://registry.example/", "https://elsewhere.test/token", false));
  EXPECT_FALSE(may_ask("https://registry.example/", "http://registry.example/token", true));
  // Numbers have no domain, and neighbours below a public suffix are strangers.
  EXPECT_FALSE(may_ask("https://10.0.0.1/", "https://10.1.0.1/token", true));
  EXPECT_FALSE(may_ask("https://a.co.uk/", "https://b.co.uk/token", true));
}

TEST(TokenAnswer, NeedsATokenThatMayStandInAHeader) {
  auto answer = parse_token_answer(R"({"token":"abc","expires_in":300,"refresh_token":"r"})");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->token, "abc");
  EXPECT_EQ(answer->refresh_token, "r");
  EXPECT_EQ(answer->lifetime, std::chrono::seconds(300));
  EXPECT_EQ(parse_token_answer(R"({"access_token":"x"})")->lifetime, std::chrono::seconds(60));
  EXPECT_EQ(parse_token_answer(R"({"token":"x","expires_in":-5})")->lifetime,
            std::chrono::seconds(30));
  for (const char* json :
       {"", "[]", "{}", R"({"token":5})", R"({"token":""})", R"({"token":"a\r\nX: y"})"})
    EXPECT_FALSE(parse_token_answer(json)) << json;
  EXPECT_FALSE(parse_token_answer("{\"token\":\"" + std::string(40000, 'a') + "\"}"));
}

}  // namespace
}  // namespace registry
