#include "store/batch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "base/error.h"
#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::Store;
using support::layer_id;

struct BatchTest : testing::Test {
  support::TempDir temp;
  std::unique_ptr<Store> store = Store::open(temp.path(), Access::kReadWrite);
  store::StagingDir staging = store->create_staging("build");
};

TEST_F(BatchTest, MovesTreesIntoTheStoreAndRemembersThem) {
  store::Batch batch = store->batch();
  store::NewLayer layer = support::make_layer(staging, "a", 100);
  layer.record.origin = store::Origin::kPulled;
  layer.record.blobs = {{.digest = oci::Digest::sha256_of("zipped"),
                         .media_type = "application/vnd.oci.image.layer.v1.tar+gzip",
                         .size_bytes = 6,
                         .compression = "gzip"}};
  const auto tree = layer.tree;
  batch.add_layer(layer);
  EXPECT_FALSE(store->find_layer(layer_id("a")));
  batch.commit();
  EXPECT_TRUE(batch.empty());
  const auto found = store->find_layer(layer_id("a"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->tar_size_bytes, 100u);
  EXPECT_EQ(found->origin, store::Origin::kPulled);
  ASSERT_EQ(found->blobs.size(), 1u);
  EXPECT_EQ(found->blobs[0].compression, "gzip");
  EXPECT_FALSE(std::filesystem::exists(tree));
  EXPECT_TRUE(std::filesystem::exists(store->layout().layer_tree(layer_id("a")) / "file"));
  EXPECT_EQ(store->find_layer_of_blob(oci::Digest::sha256_of("zipped"))->diff_id, layer_id("a"));
}

TEST_F(BatchTest, CommitsWhileTheDiskIsWrittenToBefore) {
  {
    auto other = Store::open(temp.path(), Access::kReadWrite);
    store::StagingDir own = other->create_staging("build");
    const auto write = [&](int number) {
      store::Batch batch = other->batch();
      batch.add_layer(support::make_layer(own, std::to_string(number)));
      constexpr uint64_t kMuch = 40 << 20;
      other->wrote(kMuch);
      batch.commit();
    };
    write(0);
    std::jthread beside([&] { write(1); });
    write(2);
    beside.join();
    other->wrote(UINT64_C(1) << 40);
  }  // closed while the disk may still be written to
  for (const char* name : {"0", "1", "2"}) EXPECT_TRUE(store->find_layer(layer_id(name))) << name;
}

TEST_F(BatchTest, AdoptsALayerThatIsThereAndLeavesTheTree) {
  for (int i = 0; i < 2; ++i) {
    store::StagingDir own = store->create_staging("build");
    store::Batch batch = store->batch();
    const store::NewLayer layer = support::make_layer(own, "a");
    batch.add_layer(layer);
    batch.add_layer(layer);
    batch.commit();
    EXPECT_EQ(std::filesystem::exists(layer.tree), i == 1);
  }
  EXPECT_TRUE(store->find_layer(layer_id("a")));
}

TEST_F(BatchTest, GivesATreeBackWhenAnotherPublishedTheLayerMeanwhile) {
  // Many at once: some find the layer after they have staged theirs. All trees are somewhere.
  for (int round = 0; round < 5; ++round) {
    const std::string name = "layer" + std::to_string(round);
    std::vector<store::StagingDir> dirs;
    std::vector<store::NewLayer> layers;
    for (int i = 0; i < 4; ++i) {
      dirs.push_back(store->create_staging("build"));
      layers.push_back(support::make_layer(dirs.back(), name));
    }
    std::vector<std::jthread> threads;
    for (const store::NewLayer& layer : layers)
      threads.emplace_back([&] {
        store::Batch batch = store->batch();
        batch.add_layer(layer);
        batch.commit();
      });
    threads.clear();
    int left = 0;
    for (const store::NewLayer& layer : layers)
      left += std::filesystem::exists(layer.tree / "file");
    EXPECT_EQ(left, 3);
    EXPECT_TRUE(store->find_layer(layer_id(name)));
  }
}

TEST_F(BatchTest, LeavesTheFilesOfAnImageThatIsThereAlone) {
  const auto add = [&](const char* name) {
    auto writer = store->write_blob();
    writer->write(base::as_bytes(std::string_view("{}")));
    store::StagedBlob blob = writer->finish();
    const oci::Digest id = blob.digest();
    store::Batch batch = store->batch();
    batch.add_blob(std::move(blob));
    batch.add_image({.id = id, .platform = "linux/amd64"});
    batch.set_name({name}, id);
    batch.commit();
    EXPECT_TRUE(batch.empty());
    struct stat st = {};
    EXPECT_EQ(::stat(store->layout().blob(id).c_str(), &st), 0);
    return std::pair(st.st_ino, store->get_image(name));
  };
  const auto [inode, image] = add("a");
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  const auto [inode_again, again] = add("a");
  EXPECT_EQ(inode_again, inode);
  EXPECT_GT(again.last_used, image.last_used);
  const auto [other_inode, other] = add("b");
  EXPECT_EQ(other.names.size(), 2u);
  // Damaged: the new bytes take its place.
  std::filesystem::resize_file(store->layout().blob(image.id), 1);
  add("a");
  EXPECT_EQ(std::filesystem::file_size(store->layout().blob(image.id)), 2u);
}

TEST_F(BatchTest, AbandonedChangesNothing) {
  const store::NewLayer layer = support::make_layer(staging, "a");
  {
    store::Batch batch = store->batch();
    batch.add_layer(layer);
    batch.add_blob(support::make_blob(*store, "blob"));
  }
  EXPECT_TRUE(std::filesystem::exists(layer.tree));
  EXPECT_FALSE(store->find_layer(layer_id("a")));
  EXPECT_FALSE(store->find_blob(oci::Digest::sha256_of("blob")));
}

TEST_F(BatchTest, RefusesToNameWhatIsNotThereAndPublishesNothing) {
  const store::NewLayer layer = support::make_layer(staging, "a");
  store::Batch batch = store->batch();
  batch.add_layer(layer);
  store::StagedBlob config = support::make_blob(*store, "config");
  const oci::Digest id = config.digest();
  batch.add_blob(std::move(config));
  batch.add_image({.id = id, .platform = "linux/amd64", .layers = {layer_id("a"), layer_id("b")}});
  EXPECT_THROW(batch.commit(), base::Error);
  EXPECT_FALSE(store->find_layer(layer_id("a")));
  EXPECT_FALSE(store->find_blob(id));
  EXPECT_TRUE(std::filesystem::exists(layer.tree));  // given back

  store::Batch names = store->batch();
  names.set_name({.name = "app"}, oci::Digest::sha256_of("nothing"));
  EXPECT_THROW(names.commit(), base::Error);
  store::Batch cache = store->batch();
  cache.add_cache({.key = "k", .result = layer_id("zzz")});
  EXPECT_THROW(cache.commit(), base::Error);
  EXPECT_TRUE(store->fsck({}).leftovers.empty());
}

TEST_F(BatchTest, RefusesAMalformedNameBeforeAnythingIsVisible) {
  store::Batch batch = store->batch();
  store::StagedBlob config = support::make_blob(*store, "config");
  const oci::Digest id = config.digest();
  batch.add_blob(std::move(config));
  batch.add_image({.id = id, .platform = "linux/amd64"});
  batch.set_name({.name = "Bad Name"}, id);
  EXPECT_THROW(batch.commit(), base::Error);
  EXPECT_FALSE(store->find_blob(id));
}

TEST_F(BatchTest, RemembersFurtherEncodings) {
  support::add_image(*store, "app", {"a"});
  store::Batch batch = store->batch();
  batch.add_layer_blob(layer_id("a"), {.digest = oci::Digest::sha256_of("gz"),
                                       .media_type = "m",
                                       .size_bytes = 2,
                                       .compression = "gzip",
                                       .remakeable = true});
  batch.commit();
  ASSERT_EQ(store->find_layer(layer_id("a"))->blobs.size(), 1u);
  EXPECT_TRUE(store->find_layer(layer_id("a"))->blobs[0].remakeable);
}

TEST_F(BatchTest, HoldsHundredsOfLayers) {
  std::vector<std::string> layers;
  for (int i = 0; i < 600; ++i) layers.push_back(std::to_string(i));
  const oci::Digest id = support::add_image(*store, "deep", layers);
  EXPECT_EQ(store->get_image("deep").layers.size(), 600u);
  EXPECT_EQ(store->get_image("deep").layers[599], layer_id("599"));
  EXPECT_EQ(store->get_image("deep").id, id);
}

}  // namespace
