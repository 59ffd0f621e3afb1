#include "cli/images/attestation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/store_fixture.h"

namespace cli {
namespace {

const Predicate kOne{"https://example.org/one/v1", R"({"a":1})"};

TEST(Attestation, IsAStatementAboutTheManifestItRefersTo) {
  const oci::Descriptor subject =
      oci::Descriptor::of("application/vnd.oci.image.manifest.v1+json", "{}");
  const Attestation made = attest(kOne, subject, "docker.io/library/app");
  EXPECT_EQ(made.manifest.subject, subject);
  EXPECT_EQ(made.manifest.artifact_type, "application/vnd.in-toto+json");
  EXPECT_EQ(made.manifest.config.media_type, "application/vnd.oci.empty.v1+json");
  ASSERT_EQ(made.manifest.layers.size(), 1u);
  EXPECT_EQ(made.manifest.layers[0].digest, oci::Digest::sha256_of(made.statement));
  const auto json = nlohmann::json::parse(made.statement);
  EXPECT_EQ(json["subject"][0]["digest"]["sha256"], subject.digest.hex());
  EXPECT_EQ(json["predicateType"], kOne.type);
  EXPECT_EQ(json["predicate"]["a"], 1);
  EXPECT_EQ(attest(kOne, subject, "docker.io/library/app").manifest.bytes(), made.manifest.bytes());
}

struct KeptPredicates : testing::Test {
  support::TempDir temp;
  std::unique_ptr<store::Store> store = store::Store::open(temp.path(), store::Access::kReadWrite);
  oci::Digest id = support::add_image(*store, "app", {"a"});

  std::vector<Predicate> kept() { return find_predicates(*store, *store->find_image_by_id(id)); }
  void keep_blob(const std::string& text) {
    auto writer = store->write_blob();
    writer->write(base::as_bytes(text));
    store::StagedBlob staged = writer->finish();
    store::ImageRecord record = *store->find_image_by_id(id);
    record.blobs = {staged.digest()};
    store::Batch batch = store->batch();
    batch.add_blob(std::move(staged));
    batch.add_image(record);
    batch.commit();
  }
};

TEST_F(KeptPredicates, TakeThePlaceOfEarlierOnesOfTheirType) {
  keep_predicates(*store, id, {kOne, {"https://example.org/two/v1", "{}"}});
  keep_predicates(*store, id, {{kOne.type, R"({"a":2})"}});
  ASSERT_EQ(kept().size(), 2u);
  EXPECT_EQ(kept()[0].body, R"({"a":2})");
  EXPECT_EQ(kept()[1].type, "https://example.org/two/v1");
  keep_predicates(*store, id, {{kOne.type, R"({"a":2})"}});
  EXPECT_EQ(kept().size(), 2u);
}

TEST_F(KeptPredicates, AreNotWhatAnIndexPretendsToBe) {
  keep_blob(
      R"({"schemaVersion":2,"manifests":[],"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":{}})");
  keep_blob(
      R"({"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":7,"predicate":{}})");
  keep_blob("no JSON");
  EXPECT_TRUE(kept().empty());
}

}  // namespace
}  // namespace cli
