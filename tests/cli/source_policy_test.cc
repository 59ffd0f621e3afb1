#include "cli/remote/source_policy.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace cli {
namespace {

SourcePolicy policy(const std::string& rules) {
  SourcePolicy out;
  out.add("{\"rules\": [" + rules + "]}", "p.json");
  return out;
}

std::string id_of_failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const base::Error& e) {
    return e.id() + ": " + e.message();
  }
  return "";
}

std::string turned(const SourcePolicy& rules, const std::string& identifier) {
  return rules.apply({identifier, {}}, nullptr).identifier;
}

TEST(SourcePolicy, WithoutARuleEverythingIsAllowed) {
  EXPECT_EQ(turned(policy(""), "https://host/file"), "https://host/file");
  EXPECT_EQ(SourcePolicy().image("docker.io/library/a:1", nullptr), "docker.io/library/a:1");
}

TEST(SourcePolicy, TheLastMatchingRuleOfAFileDecides) {
  SourcePolicy rules = policy(R"({"action": "DENY", "selector": {"identifier": "docker-image://*"}},
      {"action": "ALLOW", "selector": {"identifier": "docker-image://docker.io/library/*"}},
      {"action": "DENY", "selector": {"identifier": "docker-image://docker.io/library/old:1"}})");
  EXPECT_EQ(rules.image("docker.io/library/a:1", nullptr), "docker.io/library/a:1");
  EXPECT_EQ(
      id_of_failure([&] { rules.image("docker.io/library/old:1", nullptr); }),
      "source-denied: source docker-image://docker.io/library/old:1 is denied by rule 3 of p.json "
      "(docker-image://docker.io/library/old:1)");
  EXPECT_NE(id_of_failure([&] { rules.image("example.com/a:1", nullptr); }), "");
  // What a second file denies, the first cannot allow.
  rules.add(R"({"rules": [{"action": 1, "selector": {"identifier": "*/a:*"}}]})", "q.json");
  EXPECT_NE(id_of_failure([&] {
              rules.image("docker.io/library/a:1", nullptr);
            }).find("rule 1 of q.json"),
            std::string::npos);
}

TEST(SourcePolicy, MatchesByWildcardWordAndExpression) {
  EXPECT_NE(id_of_failure([] {
              turned(
                  policy(R"j({"action": "DENY", "selector": {"identifier": "https://*/x.(*)"}})j"),
                  "https://a/b/x.(y)");
            }),
            "");
  EXPECT_EQ(
      turned(
          policy(
              R"({"action": "DENY", "selector": {"identifier": "https://*", "matchType": "EXACT"}})"),
          "https://a"),
      "https://a");
  EXPECT_NE(
      id_of_failure([] {
        turned(
            policy(
                R"({"action": "DENY", "selector": {"identifier": "evil\\d+", "match_type": "REGEX"}})"),
            "https://evil12/x");
      }),
      "");
}

TEST(SourcePolicy, ConvertsWithWhatMatchedAndAsksAgain) {
  SourcePolicy rules = policy(
      R"j({"action": "CONVERT", "selector": {"identifier": "docker-image://docker.io/library/golang:*"},
       "updates": {"identifier": "docker-image://mirror.example/golang:${1}-alpine"}},
      {"action": "CONVERT", "selector": {"identifier": "mirror\\.(\\w+)/(g)", "matchType": "REGEX"},
       "updates": {"identifier": "other.$1/$2$$"}})j");
  EXPECT_EQ(turned(rules, "docker-image://docker.io/library/golang:1.19"),
            "docker-image://other.example/g$olang:1.19-alpine");
  SourcePolicy denied = policy(
      R"({"action": "CONVERT", "selector": {"identifier": "docker-image://docker.io/library/a:1"},
       "updates": {"identifier": "docker-image://docker.io/library/b:1"}},
      {"action": "DENY", "selector": {"identifier": "*/b:*"}})");
  EXPECT_NE(id_of_failure([&] {
              denied.image("docker.io/library/a:1", nullptr);
            }).find("docker.io/library/b:1 is denied"),
            std::string::npos);
}

TEST(SourcePolicy, ConversionsWithoutEndAreAnError) {
  SourcePolicy rules = policy(
      R"({"action": "CONVERT", "selector": {"identifier": "https://a"}, "updates": {"identifier": "https://b"}},
      {"action": "CONVERT", "selector": {"identifier": "https://b"}, "updates": {"identifier": "https://a"}})");
  EXPECT_EQ(id_of_failure([&] { turned(rules, "https://a"); }).substr(0, 12), "policy-loop:");
}

TEST(SourcePolicy, ConstraintsLookAtAttributes) {
  SourcePolicy rules = policy(R"({"action": "DENY", "selector": {"identifier": "https://*"}},
      {"action": "ALLOW", "selector": {"identifier": "https://*", "constraints": [{"key": "http.checksum", "value": "^sha256:", "condition": "MATCHES"}]}})");
  EXPECT_EQ(rules.download("https://a/f", "sha256:12", nullptr),
            std::pair(std::string("https://a/f"), std::string("sha256:12")));
  EXPECT_NE(id_of_failure([&] { rules.download("https://a/f", "", nullptr); }), "");
}

TEST(SourcePolicy, SpellingsOfAnAddressAreOneAddress) {
  SourcePolicy rules =
      policy(R"({"action": "DENY", "selector": {"identifier": "https://evil.example/*"}})");
  for (const char* url : {"https://evil.example/x", "https://EVIL.example/x",
                          "https://user:word@evil.example/x", "https://evil.example:443/x"})
    EXPECT_NE(id_of_failure([&] { rules.download(url, "", nullptr); }), "") << url;
  EXPECT_EQ(rules.download("https://good.example/x", "", nullptr).first, "https://good.example/x");
}

TEST(SourcePolicy, SetsChecksumsAndCommits) {
  SourcePolicy rules = policy(
      R"({"action": "CONVERT", "selector": {"identifier": "https://a/f"}, "updates": {"attrs": {"http.checksum": "sha256:34"}}},
      {"action": "CONVERT", "selector": {"identifier": "git://h/p.git#main"}, "updates": {"identifier": "git://h/p.git#v1:sub", "attrs": {"git.checksum": "AB"}}},
      {"action": "CONVERT", "selector": {"identifier": "git://h/*"}, "updates": {"identifier": "git://mirror/${1}"}})");
  EXPECT_EQ(rules.download("https://a/f", "", nullptr).second, "sha256:34");
  auto git = rules.git(dockerfile::GitReference::parse("ssh://git@h/p.git#main"), nullptr);
  EXPECT_EQ(git.remote, "https://mirror/p.git");
  EXPECT_EQ(git.ref, "v1");
  EXPECT_EQ(git.subdirectory, "sub");
  EXPECT_EQ(git.checksum, "ab");
  EXPECT_EQ(policy("").git(dockerfile::GitReference::parse("git@h:p.git#main"), nullptr).remote,
            "git@h:p.git");
}

TEST(SourcePolicy, OneKindOfSourceIsNotMadeAnother) {
  SourcePolicy rules = policy(
      R"({"action": "CONVERT", "selector": {"identifier": "docker-image://*"}, "updates": {"identifier": "https://a"}})");
  EXPECT_EQ(id_of_failure([&] { rules.image("docker.io/library/a:1", nullptr); }).substr(0, 15),
            "policy-invalid:");
}

TEST(SourcePolicy, MistakesInAFileNameTheRule) {
  for (
      const auto& [rule, text] : std::vector<std::pair<std::string, std::string>>{
          {R"({"action": "FORBID", "selector": {"identifier": "*"}})",
           "rule 1 of p.json: action is ALLOW, DENY, CONVERT"},
          {R"({"action": "DENY", "selector": {"identifer": "*"}})",
           "rule 1 of p.json: selector: unknown key identifer"},
          {R"({"action": "DENY"})", "rule 1 of p.json: selector is missing"},
          {R"({"action": "CONVERT", "selector": {"identifier": "*"}})", "a CONVERT needs updates"},
          {R"({"action": "DENY", "selector": {"identifier": "(", "matchType": "REGEX"}})",
           "is no regular expression"},
          {R"({"action": "CONVERT", "selector": {"identifier": "*"}, "updates": {"attrs": {"image.resolvemode": "pull"}}})",
           "image.resolvemode cannot be set"}})
    EXPECT_NE(id_of_failure([&, &given = rule] { policy(given); }).find(text), std::string::npos)
        << rule << id_of_failure([&, &given = rule] { policy(given); });
  SourcePolicy rules = policy(
      R"({"action": "CONVERT", "selector": {"identifier": "https://*"}, "updates": {"identifier": "https://${2}"}})");
  EXPECT_NE(id_of_failure([&] { turned(rules, "https://a"); }).find("no such group"),
            std::string::npos);
}

}  // namespace
}  // namespace cli
