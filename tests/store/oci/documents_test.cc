#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "store/oci/image_config.h"
#include "store/oci/index.h"
#include "store/oci/limits.h"
#include "store/oci/manifest.h"
#include "store/oci/media_types.h"

namespace {

using namespace std::string_literals;

const std::string kHex(64, 'a');

std::string descriptor(std::string_view type, const std::string& size = "3",
                       const std::string& digest = "sha256:" + kHex) {
  return base::str(R"({"mediaType":")", type, R"(","digest":")", digest, R"(","size":)", size, "}");
}

std::string manifest(const std::string& layers, const std::string& more = "",
                     std::string_view config = oci::media_type::kConfig) {
  return base::str(R"({"schemaVersion":2,"config":)", descriptor(config), R"(,"layers":[)", layers,
                   "]", more, "}");
}

const std::string kLayer = descriptor(oci::media_type::kLayerGzip);

TEST(Manifest, KeepsItsBytesAndDigest) {
  std::string text = manifest(kLayer, R"(, "annotations":{"a":"b"},"x":[1])");
  oci::Manifest m = oci::Manifest::parse(text);
  EXPECT_EQ(m.bytes(), text);
  EXPECT_EQ(m.describe().digest, oci::Digest::sha256_of(text));
  EXPECT_EQ(m.media_type, oci::media_type::kManifest);
  EXPECT_EQ(m.layers.at(0).size_bytes, 3u);
  EXPECT_EQ(m.annotations.at("a"), "b");
}

TEST(Manifest, WritesWhatItReads) {
  oci::Manifest m = oci::Manifest::parse(manifest(kLayer + "," + kLayer));
  m.raw.clear();
  m.layers[0].data = "abc";
  m.layers[0].digest = oci::Digest::sha256_of("abc");
  m.layers[0].urls = {"https://example.org/x"};
  m.annotations["k"] = "\xff";
  oci::Manifest again = oci::Manifest::parse(m.to_json());
  EXPECT_EQ(again.layers, m.layers);
  EXPECT_EQ(again.annotations.at("k"), "\xef\xbf\xbd");
  EXPECT_EQ(again.to_json(), m.to_json());
}

TEST(Manifest, RefusesBadSizes) {
  for (const char* size : {"-1", "\"3\"", "1e300", "3.0", "9223372036854775808",
                           "18446744073709551616", "null", "true"})
    EXPECT_THROW(oci::Manifest::parse(manifest(descriptor(oci::media_type::kLayer, size))),
                 base::Error)
        << size;
  EXPECT_NO_THROW(
      oci::Manifest::parse(manifest(descriptor(oci::media_type::kLayer, "9223372036854775807"))));
}

TEST(Manifest, RefusesBadDigests) {
  for (const std::string& digest : {""s, "sha256:abcd"s, "md5:"s + std::string(32, '0'),
                                    "sha256:"s + std::string(64, 'A'), "sha256:../../x"s})
    EXPECT_THROW(oci::Manifest::parse(manifest(descriptor(oci::media_type::kLayer, "3", digest))),
                 base::Error)
        << digest;
}

TEST(Manifest, RefusesConfusedDocuments) {
  EXPECT_THROW(oci::Manifest::parse(manifest(kLayer, R"(,"manifests":[])")), base::Error);
  EXPECT_THROW(oci::Manifest::parse(
                   manifest(kLayer, R"(,"mediaType":"application/vnd.oci.image.index.v1+json")")),
               base::Error);
  EXPECT_THROW(oci::Manifest::parse(manifest(kLayer), oci::media_type::kIndex), base::Error);
  std::string docker = R"(,"mediaType":"application/vnd.docker.distribution.manifest.v2+json")";
  EXPECT_THROW(oci::Manifest::parse(manifest(kLayer, docker), oci::media_type::kManifest),
               base::Error);
  EXPECT_TRUE(oci::Manifest::parse(manifest(kLayer, docker)).is_docker());
}

TEST(Manifest, KeysInAnotherCaseMeanNothing) {
  oci::Manifest m = oci::Manifest::parse(manifest(kLayer, R"(,"Layers":[],"CONFIG":1)"));
  EXPECT_EQ(m.layers.size(), 1u);
}

TEST(Manifest, RefusesThingsThatAreNoImages) {
  EXPECT_THROW(oci::Manifest::parse(manifest(descriptor("application/x-unknown"))), base::Error);
  std::string artifact = manifest(kLayer, "", "application/vnd.example+json");
  EXPECT_THROW(oci::Manifest::parse(artifact), base::Error);
  EXPECT_NO_THROW(oci::Manifest::parse_artifact(artifact));
}

TEST(Manifest, RefusesTooManyLayersAndTooManyBytes) {
  std::string layers = kLayer;
  for (size_t i = 1; i < oci::kMaxLayers; ++i) layers += "," + kLayer;
  EXPECT_EQ(oci::Manifest::parse(manifest(layers)).layers.size(), oci::kMaxLayers);
  EXPECT_THROW(oci::Manifest::parse(manifest(layers + "," + kLayer)), base::Error);
  std::string huge =
      manifest(kLayer, ",\"x\":\"" + std::string(oci::kMaxManifestBytes, 'x') + "\"");
  EXPECT_THROW(oci::Manifest::parse(huge), base::Error);
}

TEST(Manifest, RefusesEmbeddedDataThatDoesNotMatch) {
  std::string data =
      R"({"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"data":"e30=","digest":")";
  std::string good = data + oci::Digest::sha256_of("{}").str() + "\"}";
  std::string bad = data + oci::Digest::sha256_of("[]").str() + "\"}";
  EXPECT_EQ(oci::Descriptor::parse(good).data, "{}");
  EXPECT_THROW(oci::Descriptor::parse(bad), base::Error);
}

TEST(Manifest, WantsOneDiffIdForEachLayer) {
  oci::Manifest m = oci::Manifest::parse(manifest(kLayer));
  oci::ImageConfig config;
  EXPECT_THROW(m.require_matching(config), base::Error);
  config.diff_ids = {oci::DiffId::parse("sha256:" + kHex)};
  EXPECT_NO_THROW(m.require_matching(config));
  config.diff_ids.push_back(config.diff_ids[0]);
  EXPECT_THROW(m.require_matching(config), base::Error);
}

std::string entry(const std::string& platform) {
  std::string text = descriptor(oci::media_type::kManifest);
  if (!platform.empty()) {
    text.pop_back();
    oci::Platform p = oci::Platform::parse(platform);
    text +=
        base::str(R"(,"annotations":{"p":")", platform, R"("},"platform":{"os":")", p.os,
                  R"(","architecture":")", p.architecture, R"(","variant":")", p.variant, R"("}})");
  }
  return text;
}

TEST(Index, FindsTheNearestPlatform) {
  oci::Index index = oci::Index::parse(base::str(
      R"({"schemaVersion":2,"manifests":[)", entry(""), ",", entry("linux/arm/v5"), ",",
      entry("linux/arm/v7"), ",", entry("linux/arm/v6"), ",", entry("linux/amd64"), "]}"));
  auto found = [&](const char* wanted) {
    const oci::Descriptor* d = index.find(oci::Platform::parse(wanted));
    return d == nullptr ? "none" : d->annotation("p");
  };
  EXPECT_EQ(found("linux/arm/v7"), "linux/arm/v7");
  EXPECT_EQ(found("linux/arm/v6"), "linux/arm/v6");
  EXPECT_EQ(found("linux/arm/v8"), "linux/arm/v7");
  EXPECT_EQ(found("linux/amd64"), "linux/amd64");
  EXPECT_EQ(found("linux/s390x"), "");  // the entry that names no platform
}

TEST(Index, RefusesLayersAndWrongTypes) {
  EXPECT_THROW(oci::Index::parse(R"({"schemaVersion":2,"manifests":[],"layers":[]})"), base::Error);
  EXPECT_THROW(oci::Index::parse(R"({"schemaVersion":1,"manifests":[]})"), base::Error);
  EXPECT_THROW(oci::Index::parse(R"({"schemaVersion":2})"), base::Error);
  EXPECT_THROW(oci::Index::parse(R"({"schemaVersion":2,"manifests":{}})"), base::Error);
  EXPECT_NO_THROW(oci::Index::parse(R"({"schemaVersion":2,"manifests":[]})"));
}

TEST(DocumentKind, LooksAtTypeThenContent) {
  EXPECT_EQ(oci::document_kind(manifest(kLayer)), oci::DocumentKind::kManifest);
  EXPECT_EQ(oci::document_kind(R"({"schemaVersion":2,"manifests":[]})"), oci::DocumentKind::kIndex);
  EXPECT_THROW(oci::document_kind("{}"), base::Error);
  EXPECT_THROW(oci::document_kind(R"({"layers":[],"manifests":[]})"), base::Error);
}

}  // namespace
