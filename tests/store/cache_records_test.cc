#include <gtest/gtest.h>

#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::CacheRecord;
using store::Store;
using support::layer_id;

struct CacheTest : testing::Test {
  support::TempDir temp;
  std::unique_ptr<Store> store = Store::open(temp.path(), Access::kReadWrite);

  void add(const CacheRecord& record) {
    store::Batch batch = store->batch();
    batch.add_cache(record);
    batch.commit();
  }
};

TEST_F(CacheTest, RemembersEveryField) {
  support::add_image(*store, "app", {"a"});
  const CacheRecord record{.key = "k1",
                           .definition = "op: run\nargv: make\n",
                           .slot = "Recipe/0/3",
                           .result = layer_id("a"),
                           .extra = "{\"env\":[]}",
                           .duration = std::chrono::milliseconds(1234),
                           .size_bytes = 99};
  add(record);
  const auto found = store->find_cache("k1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->definition, record.definition);
  EXPECT_EQ(found->slot, record.slot);
  EXPECT_EQ(found->result, record.result);
  EXPECT_EQ(found->extra, record.extra);
  EXPECT_EQ(found->duration, record.duration);
  EXPECT_EQ(found->size_bytes, 99u);
  EXPECT_GT(found->created, store::Time());
  EXPECT_FALSE(store->find_cache("k2"));
}

TEST_F(CacheTest, MayHaveNoLayer) {
  add({.key = "k", .definition = "workdir /"});
  ASSERT_TRUE(store->find_cache("k"));
  EXPECT_FALSE(store->find_cache("k")->result);
}

TEST_F(CacheTest, ALostLayerIsAMiss) {
  support::add_image(*store, "app", {"a"});
  add({.key = "k", .result = layer_id("a")});
  std::filesystem::remove_all(store->layout().layer(layer_id("a")));
  EXPECT_FALSE(store->find_cache("k"));
}

TEST_F(CacheTest, TheNearestIsTheLastUsedOfTheSlot) {
  add({.key = "k1", .definition = "one", .slot = "s"});
  add({.key = "k2", .definition = "other slot", .slot = "t"});
  EXPECT_EQ(store->nearest_cache("s")->definition, "one");
  EXPECT_FALSE(store->nearest_cache("u"));
}

TEST_F(CacheTest, CanBeListedAndRemoved) {
  add({.key = "k1"});
  add({.key = "k2"});
  EXPECT_EQ(store->list_cache().size(), 2u);
  store->remove_cache("k1");
  EXPECT_EQ(store->list_cache().size(), 1u);
  store->touch_cache({"k2", "absent"});
}

}  // namespace
