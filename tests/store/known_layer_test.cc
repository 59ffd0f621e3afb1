#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "store/store.h"
#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::Origin;
using store::Store;
using support::layer_id;

/// A layer that is known, and has not come.
struct KnownLayerTest : testing::Test {
  support::TempDir temp;
  std::unique_ptr<Store> store = Store::open(temp.path(), Access::kReadWrite);
  const oci::DiffId id = layer_id("far");
  oci::Digest image = oci::Digest::sha256_of("");

  static store::LayerRecord record(const std::string& blob) {
    return {.diff_id = layer_id("far"),
            .tar_size_bytes = 7,
            .blobs = {{.digest = oci::Digest::sha256_of(blob),
                       .media_type = "application/vnd.oci.image.layer.v1.tar+gzip",
                       .size_bytes = 7,
                       .compression = "gzip",
                       .source = "registry.test/app"}}};
  }
  void remember(const std::string& blob) {
    store::Batch batch = store->batch();
    store::StagedBlob config = support::make_blob(*store, "{\"config\": 1}");
    image = config.digest();
    batch.add_blob(std::move(config));
    batch.add_known_layer(record(blob));
    batch.add_image({.id = image, .platform = "linux/amd64", .layers = {id}});
    batch.set_name({.name = "docker.io/library/app:latest"}, image);
    batch.add_cache({.key = "key", .definition = "d", .slot = "s", .result = id});
    batch.commit();
  }
  void bring() {
    store::StagingDir staging = store->create_staging("pull");
    store::Batch batch = store->batch();
    store::NewLayer layer = support::make_layer(staging, "far", 10);
    layer.record.origin = Origin::kPulled;
    layer.record.blobs = {
        {.digest = oci::Digest::sha256_of("true blob"), .media_type = "m", .size_bytes = 9}};
    batch.add_layer(std::move(layer));
    batch.commit();
  }
};

TEST_F(KnownLayerTest, IsKnownAndNotFound) {
  remember("blob");
  EXPECT_FALSE(store->find_layer(id));
  auto known = store->find_known_layer(id);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->origin, Origin::kKnown);
  EXPECT_EQ(known->blobs.at(0).source, "registry.test/app");
  EXPECT_TRUE(store->find_cache("key"));
  EXPECT_EQ(store->get_image("app").size_bytes, 7u);
}

TEST_F(KnownLayerTest, IsSoundAndTakesNoSpace) {
  remember("blob");
  EXPECT_TRUE(store->fsck({.deep = true}).problems.empty());
  EXPECT_EQ(store->usage().by_image.at(0).unique_bytes, 0u);
  EXPECT_TRUE(store->prune({}).layers.empty());
  EXPECT_TRUE(store->find_known_layer(id));
}

TEST_F(KnownLayerTest, GoesWithTheLastThatNamesIt) {
  remember("blob");
  store->remove_image("app");
  store->prune({.all = true});
  EXPECT_FALSE(store->find_known_layer(id));
  EXPECT_TRUE(store->fsck({}).leftovers.empty());
}

TEST_F(KnownLayerTest, BecomesAnOrdinaryOneAndForgetsWhatWasOnlyTold) {
  remember("blob");
  bring();
  auto layer = store->find_layer(id);
  ASSERT_TRUE(layer);
  EXPECT_EQ(layer->origin, Origin::kPulled);
  EXPECT_EQ(layer->tar_size_bytes, 10u);
  ASSERT_EQ(layer->blobs.size(), 1u);
  EXPECT_EQ(layer->blobs[0].digest, oci::Digest::sha256_of("true blob"));
}

TEST_F(KnownLayerTest, IsNotMadeOfALayerThatIsHere) {
  bring();
  remember("blob");
  auto layer = store->find_layer(id);
  ASSERT_TRUE(layer);
  EXPECT_EQ(layer->origin, Origin::kPulled);
  EXPECT_EQ(layer->blobs.size(), 1u);
}

TEST_F(KnownLayerTest, IsAskedForOnceSomebodyNeedsIt) {
  remember("blob");
  store->provide_layers({id});  // nobody can bring it
  int asked = 0;
  store->set_layer_provider([&](const std::vector<oci::DiffId>& stack) {
    ++asked;
    EXPECT_EQ(stack.size(), 1u);
    bring();
  });
  store->provide_layers({id});
  store->provide_layers({id});
  EXPECT_EQ(asked, 1);
}

}  // namespace
