#include "store/collect.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/sys/tree.h"
#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::PruneOptions;
using store::PruneReport;
using store::Store;
using support::add_image;
using support::layer_id;

struct CollectTest : testing::Test {
  support::TempDir temp;
  std::unique_ptr<Store> store = Store::open(temp.path(), Access::kReadWrite);

  void cache(const std::string& key, const std::string& layer, size_t bytes = 10) {
    store::StagingDir staging = store->create_staging("build");
    store::Batch batch = store->batch();
    batch.add_layer(support::make_layer(staging, layer, bytes));
    batch.add_cache({.key = key, .definition = "d", .slot = "s", .result = layer_id(layer)});
    batch.commit();
  }
  void expect_sound() {
    const store::FsckReport report = store->fsck({.deep = true});
    EXPECT_TRUE(report.problems.empty());
    EXPECT_TRUE(report.leftovers.empty());
  }
};

TEST_F(CollectTest, RemovesImagesWithoutANameAndWhatOnlyTheyUsed) {
  add_image(*store, "app", {"base", "a"});
  add_image(*store, "app", {"base", "b"});
  const PruneReport report = store->prune({});
  ASSERT_EQ(report.images.size(), 1u);
  ASSERT_EQ(report.layers.size(), 1u);
  EXPECT_EQ(report.layers[0].id, layer_id("a").str());
  EXPECT_EQ(report.blobs.size(), 1u);
  EXPECT_TRUE(store->find_layer(layer_id("base")));
  EXPECT_TRUE(store->prune({}).empty());
  expect_sound();
}

TEST_F(CollectTest, KeepsCacheOfKeptImagesUnlessAll) {
  add_image(*store, "app", {"a"});
  cache("shared", "a");
  cache("alone", "b");
  PruneReport report = store->prune({});
  ASSERT_EQ(report.cache.size(), 1u);
  EXPECT_EQ(report.cache[0].id, "alone");
  report = store->prune({.images = false, .all = true});
  EXPECT_EQ(report.cache.size(), 1u);
  EXPECT_TRUE(report.layers.empty());
  report = store->prune({.all = true});
  EXPECT_EQ(report.images.size(), 1u);
  EXPECT_EQ(report.layers.size(), 1u);
  expect_sound();
}

TEST_F(CollectTest, DryRunSaysExactlyWhatARealOneDoes) {
  add_image(*store, "app", {"base", "a"}, 1000);
  add_image(*store, "", {"base", "b"}, 2000);
  cache("k", "c", 500);
  const PruneReport planned = store->prune({.all = true, .dry_run = true});
  EXPECT_TRUE(store->find_image("app"));
  const PruneReport done = store->prune({.all = true});
  const auto ids = [](const std::vector<store::Removed>& list) {
    std::vector<std::pair<std::string, uint64_t>> out;
    for (const auto& each : list) out.emplace_back(each.id, each.size_bytes);
    return out;
  };
  EXPECT_EQ(ids(planned.images), ids(done.images));
  EXPECT_EQ(ids(planned.layers), ids(done.layers));
  EXPECT_EQ(ids(planned.blobs), ids(done.blobs));
  EXPECT_EQ(ids(planned.cache), ids(done.cache));
  EXPECT_EQ(planned.freed_bytes, done.freed_bytes);
  EXPECT_TRUE(std::filesystem::is_empty(store->layout().layers()));
  EXPECT_TRUE(std::filesystem::is_empty(store->layout().blobs() / "sha256"));
}

TEST_F(CollectTest, KeepsWhatContainersUse) {
  add_image(*store, "app", {"a"});
  std::filesystem::create_directory(store->layout().container("c1"));
  store->set_container_uses("c1", store->get_image("app"));
  EXPECT_TRUE(store->prune({.all = true}).empty());
  EXPECT_TRUE(store->find_image("app"));
}

TEST_F(CollectTest, OlderThanKeepsWhatIsNew) {
  add_image(*store, "", {"a"});
  cache("k", "b");
  EXPECT_TRUE(store->prune({.all = true, .older_than = std::chrono::hours(1)}).empty());
  EXPECT_FALSE(store->prune({.all = true, .older_than = std::chrono::milliseconds(-1000)}).empty());
}

TEST_F(CollectTest, KeepStorageEvictsTheOldestCacheOnly) {
  cache("k1", "a", 1000);
  ::usleep(3000);
  cache("k2", "b", 1000);
  ::usleep(3000);
  cache("k3", "c", 1000);
  const PruneReport report = store->prune({.all = true, .keep_storage_bytes = 2000});
  ASSERT_EQ(report.cache.size(), 1u);
  EXPECT_EQ(report.cache[0].id, "k1");
  EXPECT_TRUE(store->find_cache("k3"));
  EXPECT_TRUE(store->prune({.all = true, .keep_storage_bytes = 2000}).cache.empty());
}

TEST_F(CollectTest, ReservedBytesStayWhateverElseIsAsked) {
  cache("k1", "a", 1000);
  ::usleep(3000);
  cache("k2", "b", 1000);
  ::usleep(3000);
  cache("k3", "c", 1000);
  const PruneReport report =
      store->prune({.all = true, .keep_storage_bytes = 0, .reserved_bytes = 2000});
  ASSERT_EQ(report.cache.size(), 1u);
  EXPECT_EQ(report.cache[0].id, "k1");
  EXPECT_EQ(store->prune({.all = true, .reserved_bytes = 1000}).cache.size(), 1u);
}

TEST_F(CollectTest, MinFreeTakesNothingFromADiskWithRoomAndAllFromOneWithout) {
  cache("k1", "a", 1000);
  cache("k2", "b", 1000);
  EXPECT_TRUE(store->prune({.all = true, .min_free_bytes = 1}).cache.empty());
  EXPECT_EQ(store->prune({.all = true, .min_free_bytes = UINT64_MAX}).cache.size(), 2u);
}

TEST_F(CollectTest, LeftoversAreToldBeforeTheyGo) {
  std::filesystem::create_directories(store->layout().partials());
  const std::filesystem::path partial = store->layout().partials() / "sha256-00";
  std::ofstream(partial) << "half";
  const PruneReport planned = store->prune({.dry_run = true});
  ASSERT_EQ(planned.leftovers.size(), 1u);
  EXPECT_EQ(planned.leftovers[0].id, partial.string());
  EXPECT_EQ(planned.freed_bytes, 4u);
  EXPECT_TRUE(std::filesystem::exists(partial));
  const PruneReport done = store->prune({});
  EXPECT_EQ(done.leftovers.size(), 1u);
  EXPECT_EQ(done.freed_bytes, planned.freed_bytes);
  EXPECT_FALSE(std::filesystem::exists(partial));
}

TEST_F(CollectTest, BlobsDropsOnlyWhatCanBeHadAgain) {
  add_image(*store, "app", {"a", "b"});
  store::Batch batch = store->batch();
  for (const auto& [layer, text, remakeable] :
       {std::tuple("a", "gz a", true), std::tuple("b", "gz b", false)}) {
    batch.add_blob(support::make_blob(*store, text));
    batch.add_layer_blob(layer_id(layer), {.digest = oci::Digest::sha256_of(text),
                                           .media_type = "m",
                                           .size_bytes = 4,
                                           .compression = "gzip",
                                           .remakeable = remakeable});
  }
  batch.commit();
  EXPECT_TRUE(store->prune({}).empty());
  // What another version packed cannot be made again.
  EXPECT_TRUE(
      store->prune({.blobs = true, .packs = [](const std::string& how) { return how != "gzip"; }})
          .blobs.empty());
  const PruneReport report = store->prune({.blobs = true});
  ASSERT_EQ(report.blobs.size(), 1u);
  EXPECT_EQ(report.blobs[0].id, oci::Digest::sha256_of("gz a").str());
  EXPECT_EQ(store->find_layer(layer_id("a"))->blobs.size(), 1u);  // the encoding is remembered
  expect_sound();
}

TEST_F(CollectTest, TakesWhatNobodyNames) {
  auto writer = store->write_blob();
  writer->write(base::as_bytes("loose"));
  writer->commit();
  std::filesystem::create_directories(store->layout().layer_tree(layer_id("x")));
  std::filesystem::create_directories(store->layout().layers() / "rubbish");
  EXPECT_EQ(store->fsck({}).leftovers.size(), 3u);
  EXPECT_TRUE(store->fsck({}).problems.empty());
  const PruneReport report = store->prune({});
  EXPECT_EQ(report.layers.size(), 1u);
  EXPECT_EQ(report.blobs.size(), 1u);
  expect_sound();
}

TEST_F(CollectTest, UsageTellsSharedFromUnique) {
  add_image(*store, "one", {"base", "a"}, 1000);
  add_image(*store, "two", {"base", "b"}, 1000);
  cache("k", "c", 500);
  const store::DiskUsage usage = store->usage();
  ASSERT_EQ(usage.by_image.size(), 2u);
  EXPECT_EQ(usage.by_image[0].shared_bytes, 1000u);
  EXPECT_EQ(usage.by_image[0].unique_bytes, 1000u);
  EXPECT_EQ(usage.images.count, 2u);
  EXPECT_EQ(usage.images.active, 2u);
  EXPECT_GT(usage.images.total_bytes, 3000u);
  EXPECT_EQ(usage.cache.total_bytes, 500u);
  EXPECT_EQ(usage.cache.reclaimable_bytes, 500u);
}

}  // namespace
