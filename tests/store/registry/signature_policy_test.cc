#include "store/registry/signature_policy.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace {

using registry::SignaturePolicy;

SignaturePolicy parse(std::string_view json) { return SignaturePolicy::parse(json, "policy.json"); }

/// The id of the error that refuses the image, or "".
std::string answer(const SignaturePolicy& policy, const char* name) {
  try {
    policy.require(oci::Reference::parse(name));
    return "";
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::Code::kDenied);
    return e.id();
  }
}

TEST(SignaturePolicy, AcceptsEverythingWithoutAFile) {
  EXPECT_EQ(answer(SignaturePolicy(), "debian:12"), "");
  SignaturePolicy().require("oci", "/x");
}

TEST(SignaturePolicy, TakesTheMostSpecialScope) {
  const SignaturePolicy policy = parse(R"({
    "default": [{"type": "reject"}],
    "transports": {
      "docker": {
        "": [{"type": "insecureAcceptAnything"}],
        "a.example": [{"type": "reject"}],
        "a.example/team": [{"type": "insecureAcceptAnything"}],
        "a.example/team/app": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}],
        "a.example/team/app:open": [{"type": "insecureAcceptAnything"}],
        "*.example": [{"type": "sigstoreSigned", "keyPath": "/k"}],
        "*.deep.example": [{"type": "insecureAcceptAnything"}]
      },
      "oci": {"/good": [{"type": "insecureAcceptAnything"}]}
    }})");
  EXPECT_EQ(answer(policy, "debian:12"), "");
  EXPECT_EQ(answer(policy, "a.example/other"), "image-rejected");
  EXPECT_EQ(answer(policy, "a.example/team/x:1"), "");
  EXPECT_EQ(answer(policy, "a.example/team/app:1"), "signature-needed");
  EXPECT_EQ(answer(policy, "a.example/team/app:open"), "");
  EXPECT_EQ(answer(policy, "a.example/teams/x"), "image-rejected");
  EXPECT_EQ(answer(policy, "b.example:5000/x"), "signature-needed");
  EXPECT_EQ(answer(policy, "b.deep.example/x"), "");
  EXPECT_EQ(answer(policy, "deep.example/x"), "signature-needed");
  policy.require("oci", "/good/below/layout");
  EXPECT_THROW(policy.require("oci", "/goodness"), base::Error);
  EXPECT_THROW(policy.require("docker-archive", "/good/a.tar"), base::Error);
  EXPECT_THROW(policy.require("oci-archive", ""), base::Error);
}

TEST(SignaturePolicy, NeedsAllRequirementsAndRefusesUnknownOnes) {
  EXPECT_EQ(
      answer(parse(R"({"default": [{"type": "insecureAcceptAnything"}, {"type": "reject"}]})"),
             "x"),
      "image-rejected");
  EXPECT_EQ(answer(parse(R"({"default": [{"type": "blessed"}]})"), "x"), "signature-needed");
}

TEST(SignaturePolicy, NamesWhatIsWrong) {
  for (const char* json :
       {"", "[]", "{}", R"({"default": []})", R"({"default": {"type": "reject"}})",
        R"({"default": [{}]})", R"({"default": [{"type": "reject"}], "more": {}})",
        R"({"default": [{"type": "reject"}], "transports": []})",
        R"({"default": [{"type": "reject"}], "transports": {"docker": []}})",
        R"({"default": [{"type": "reject"}], "transports": {"docker": {"x": []}}})",
        R"({"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]})"}) {
    try {
      parse(json);
      ADD_FAILURE() << json;
    } catch (const base::Error& e) {
      EXPECT_EQ(e.id(), "bad-policy-json") << json;
      EXPECT_EQ(std::string(e.what()).find("policy.json: "), 0u) << e.what();
    }
  }
}

}  // namespace
