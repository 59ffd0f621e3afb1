#include "store/oci/validate.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"

namespace {

using oci::DocumentType;

bool valid(DocumentType type, const std::string& json) {
  try {
    oci::validate_document(type, json);
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

std::string descriptor(const std::string& digest, const std::string& more = "") {
  return R"({"mediaType":"a/b","size":1,"digest":")" + digest + "\"" + more + "}";
}

TEST(Validate, DescriptorsMayUseAlgorithmsOfOthers) {
  EXPECT_TRUE(valid(DocumentType::kDescriptor, descriptor("multihash+base58:QmRZ")));
  EXPECT_TRUE(valid(DocumentType::kDescriptor, descriptor("sha256+b64u.unknown:LCa0a2j_xo-=")));
  for (const char* bad : {"sha256:abc", "a:", ":b", "a++b:c", "A:b", "a.:b", "a b:c", "a:b/c"})
    EXPECT_FALSE(valid(DocumentType::kDescriptor, descriptor(bad))) << bad;
}

TEST(Validate, DescriptorUrlsAreUris) {
  EXPECT_TRUE(
      valid(DocumentType::kDescriptor, descriptor("a:b", R"(,"urls":["https://e.org/x"])")));
  for (const char* bad : {"value", "", ":x", "1a:x", "http://a b"})
    EXPECT_FALSE(valid(DocumentType::kDescriptor,
                       descriptor("a:b", base::str(R"(,"urls":[")", bad, R"("])"))))
        << bad;
}

TEST(Validate, ManifestsNeedALayer) {
  std::string head = R"({"schemaVersion":2,"config":)" + descriptor("a:b") + R"(,"layers":[)";
  EXPECT_TRUE(valid(DocumentType::kManifest, head + descriptor("a:b") + "]}"));
  EXPECT_FALSE(valid(DocumentType::kManifest, head + "]}"));
}

TEST(Validate, ConfigTimesAreRfc3339) {
  auto with = [](const std::string& time) {
    return R"({"os":"l","architecture":"a","rootfs":{"type":"layers","diff_ids":[]},"created":")" +
           time + "\"}";
  };
  for (const char* good : {"2015-10-31T22:22:56.015925234Z", "2015-10-31T22:22:56+01:00"})
    EXPECT_TRUE(valid(DocumentType::kConfig, with(good))) << good;
  for (const char* bad : {"", "yesterday", "2015-10-31", "2015-13-31T22:22:56Z",
                          "2015-10-31T22:22:56", "2015-10-31T22:22:56.Z", "2015-10-31T22:22:56+1"})
    EXPECT_FALSE(valid(DocumentType::kConfig, with(bad))) << bad;
}

TEST(Validate, OnlySomeNullsAreAllowed) {
  auto with = [](const std::string& config) {
    return R"({"os":"l","architecture":"a","rootfs":{"type":"layers","diff_ids":[]},"config":)" +
           config + "}";
  };
  EXPECT_TRUE(valid(DocumentType::kConfig, with(R"({"Cmd":null,"Labels":null,"Volumes":null})")));
  EXPECT_FALSE(valid(DocumentType::kConfig, with(R"({"Env":null})")));
  EXPECT_FALSE(valid(DocumentType::kConfig, with(R"({"Env":["=x"]})")));
}

TEST(Validate, LayoutVersionIsFixed) {
  EXPECT_TRUE(valid(DocumentType::kLayout, R"({"imageLayoutVersion":"1.0.0","x":1})"));
  EXPECT_FALSE(valid(DocumentType::kLayout, R"({"imageLayoutVersion":"2.0.0"})"));
  EXPECT_FALSE(valid(DocumentType::kLayout, "{}"));
}

}  // namespace
