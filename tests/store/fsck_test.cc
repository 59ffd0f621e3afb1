#include "store/fsck.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::FsckReport;
using store::Store;
using support::add_image;
using support::layer_id;

struct FsckTest : testing::Test {
  support::TempDir temp;
  std::unique_ptr<Store> store = Store::open(temp.path(), Access::kReadWrite);
  oci::Digest image = add_image(*store, "app", {"base", "a"});
  oci::Digest other = add_image(*store, "other", {"base"});
};

TEST_F(FsckTest, FindsNothingInASoundStore) {
  const FsckReport report = store->fsck({.deep = true});
  EXPECT_TRUE(report.problems.empty());
  EXPECT_EQ(report.images, 2u);
  EXPECT_EQ(report.layers, 2u);
  EXPECT_EQ(report.blobs, 2u);
}

TEST_F(FsckTest, FindsAMissingTreeAndWhatDependsOnIt) {
  std::filesystem::remove_all(store->layout().layer(layer_id("a")));
  FsckReport report = store->fsck({});
  ASSERT_EQ(report.problems.size(), 2u);
  EXPECT_EQ(report.problems[0].object, "layer " + layer_id("a").str());
  EXPECT_EQ(report.problems[1].object, "image docker.io/library/app:latest");
  report = store->fsck({.repair = true});
  EXPECT_TRUE(report.problems[0].repaired);
  EXPECT_EQ(report.lost, std::vector<std::string>{"docker.io/library/app:latest"});
  EXPECT_TRUE(store->fsck({.deep = true}).problems.empty());
  EXPECT_FALSE(store->find_image("app"));
  EXPECT_TRUE(store->find_image("other"));
  add_image(*store, "app", {"base", "a"});
  EXPECT_TRUE(store->find_image("app"));
}

TEST_F(FsckTest, FindsEachDamagedBlob) {
  for (const oci::Digest& id : {image, other}) {
    const auto path = store->layout().blob(id);
    const std::string good = store->read_blob(id, 1000);
    std::string bad = good;
    bad[bad.size() / 2] ^= 1;
    std::ofstream(path) << bad;
    EXPECT_EQ(store->fsck({}).problems.size(), 2u);
    EXPECT_EQ(store->fsck({.deep = true}).problems.size(), 2u);
    std::ofstream(path) << good;
    EXPECT_TRUE(store->fsck({.deep = true}).problems.empty());
  }
}

TEST_F(FsckTest, OnlyDeepReadsLargeBlobs) {
  store::Batch batch = store->batch();
  store::StagedBlob blob = support::make_blob(*store, std::string(2 << 20, 'x'));
  const oci::Digest digest = blob.digest();
  batch.add_blob(std::move(blob));
  batch.commit();
  std::ofstream(store->layout().blob(digest)) << std::string(2 << 20, 'y');
  EXPECT_TRUE(store->fsck({}).problems.empty());
  EXPECT_EQ(store->fsck({.deep = true}).problems.size(), 1u);
}

TEST_F(FsckTest, DeepAsksTheVerifierForEveryTree) {
  size_t asked = 0;
  const store::LayerVerifier verifier = [&](const store::LayerRecord& layer,
                                            const std::filesystem::path& tree) {
    ++asked;
    EXPECT_TRUE(std::filesystem::exists(tree / "file"));
    return layer.diff_id == layer_id("base");
  };
  const FsckReport report = store->fsck({.deep = true, .verifier = verifier});
  EXPECT_EQ(asked, 2u);
  EXPECT_EQ(report.problems.size(), 2u);
  store::Lease lease = store->lease();
  store->fsck({.deep = true, .repair = true, .verifier = verifier});
  EXPECT_FALSE(store->find_layer(layer_id("a")));
}

TEST_F(FsckTest, FindsCacheRecordsOfLostLayers) {
  store::Batch batch = store->batch();
  batch.add_cache({.key = "k", .result = layer_id("base")});
  batch.commit();
  std::filesystem::remove_all(store->layout().layer(layer_id("base")));
  EXPECT_EQ(store->fsck({.repair = true}).problems.size(), 4u);
  EXPECT_TRUE(store->fsck({}).problems.empty());
  EXPECT_TRUE(store->list_cache().empty());
}

}  // namespace
