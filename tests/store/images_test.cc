#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::Store;
using support::add_image;
using support::layer_id;

struct ImagesTest : testing::Test {
  support::TempDir temp;
  std::unique_ptr<Store> store = Store::open(temp.path(), Access::kReadWrite);
};

TEST_F(ImagesTest, AreFoundByEverySpellingOfTheirName) {
  const oci::Digest id = add_image(*store, "busybox", {"a"});
  for (const char* name : {"busybox", "busybox:latest", "library/busybox", "docker.io/busybox",
                           "docker.io/library/busybox:latest"})
    EXPECT_EQ(store->get_image(name).id, id) << name;
  EXPECT_FALSE(store->find_image("busybox:1"));
  EXPECT_FALSE(store->find_image("quay.io/busybox"));
  EXPECT_EQ(store->get_image("busybox").names[0].name, "docker.io/library/busybox:latest");
}

TEST_F(ImagesTest, AreFoundByUniquePrefixOfTheirId) {
  const oci::Digest id = add_image(*store, "one", {"a"});
  EXPECT_EQ(store->get_image(id.str()).id, id);
  EXPECT_EQ(store->get_image(id.hex()).id, id);
  EXPECT_EQ(store->get_image(id.short_hex()).id, id);
  EXPECT_EQ(store->get_image("sha256:" + std::string(id.hex().substr(0, 7))).id, id);
  EXPECT_FALSE(store->find_image("sha256:"));
  EXPECT_FALSE(store->find_image(""));
}

TEST_F(ImagesTest, BlobsKeptWithThemStayUntilDropped) {
  const oci::Digest id = add_image(*store, "one", {"a"});
  auto writer = store->write_blob();
  writer->write(base::as_bytes("said of it"));
  store::StagedBlob staged = writer->finish();
  const oci::Digest blob = staged.digest();
  store::ImageRecord record = store->get_image("one");
  record.blobs = {blob};
  store::Batch batch = store->batch();
  batch.add_blob(std::move(staged));
  batch.add_image(record);
  batch.commit();
  store->prune({});
  EXPECT_EQ(store->get_image("one").blobs, std::vector{blob});
  EXPECT_EQ(store->read_blob(blob, 100), "said of it");
  store->drop_image_blob(id, blob);
  EXPECT_TRUE(store->get_image("one").blobs.empty());
  store->prune({});
  EXPECT_FALSE(store->find_blob(blob));
}

TEST_F(ImagesTest, AnAmbiguousPrefixIsRefused) {
  std::map<char, int> first_digits;
  std::string shared;
  for (int i = 0; i < 17; ++i) {
    const oci::Digest id = add_image(*store, "", {std::to_string(i)});
    if (++first_digits[id.hex()[0]] == 2) shared = id.hex().substr(0, 1);
  }
  ASSERT_FALSE(shared.empty());
  EXPECT_THROW(store->find_image(shared), base::Error);
}

TEST_F(ImagesTest, ANameWinsOverAnIdThatLooksLikeIt) {
  const oci::Digest id = add_image(*store, "one", {"a"});
  const oci::Digest other = add_image(*store, std::string(id.short_hex()), {"b"});
  EXPECT_EQ(store->get_image(id.short_hex()).id, other);
}

TEST_F(ImagesTest, AreFoundByManifestDigestWithAndWithoutRepository) {
  const oci::Digest id = add_image(*store, "quay.io/a/b:1", {"a"});
  const oci::Digest manifest = oci::Digest::sha256_of("manifest");
  store->set_manifest(id, manifest);
  EXPECT_EQ(store->get_image(manifest.str()).id, id);
  EXPECT_EQ(store->get_image("quay.io/a/b@" + manifest.str()).id, id);
  EXPECT_FALSE(store->find_image("quay.io/a/b@" + oci::Digest::sha256_of("x").str()));
}

TEST_F(ImagesTest, UnknownOnesSuggestANearName) {
  add_image(*store, "busybox", {"a"});
  try {
    store->get_image("busibox");
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::Code::kNotFound);
    ASSERT_EQ(e.helps().size(), 1u);
    EXPECT_NE(e.helps()[0].find("busybox"), std::string::npos);
  }
}

TEST_F(ImagesTest, ATagMovesFromOneImageToAnother) {
  const oci::Digest one = add_image(*store, "app", {"a"});
  const oci::Digest two = add_image(*store, "app", {"b"});
  EXPECT_EQ(store->get_image("app").id, two);
  EXPECT_TRUE(store->get_image(one.str()).names.empty());
  store->tag({.name = "app"}, one);
  store->tag({.name = "app:v1"}, one);
  EXPECT_EQ(store->get_image("app").id, one);
  EXPECT_EQ(store->get_image("app").names.size(), 2u);
  EXPECT_TRUE(store->untag("app:v1"));
  EXPECT_FALSE(store->untag("app:v1"));
  EXPECT_EQ(store->get_image("app").names.size(), 1u);
  EXPECT_THROW(store->tag({.name = "x"}, oci::Digest::sha256_of("nothing")), base::Error);
  EXPECT_THROW(store->tag({.name = "Bad Name"}, one), base::Error);
}

TEST_F(ImagesTest, RemovingTheLastNameRemovesTheImageAndItsOwnLayers) {
  add_image(*store, "one", {"base", "a"}, 100);
  add_image(*store, "two", {"base", "b"}, 100);
  store->tag({.name = "one:also"}, store->get_image("one").id);
  store::RemoveReport report = store->remove_image("one:also");
  EXPECT_EQ(report.untagged.size(), 1u);
  EXPECT_TRUE(report.deleted.empty());
  report = store->remove_image("one");
  EXPECT_EQ(report.deleted.size(), 1u);
  EXPECT_GT(report.freed_bytes, 100u);
  EXPECT_LT(report.freed_bytes, 200u);
  EXPECT_FALSE(store->find_layer(layer_id("a")));
  EXPECT_TRUE(store->find_layer(layer_id("base")));
  EXPECT_FALSE(store->find_image("one"));
  EXPECT_TRUE(store->fsck({.deep = true}).problems.empty());
  EXPECT_TRUE(store->fsck({.deep = true}).leftovers.empty());
  EXPECT_THROW(store->remove_image("one"), base::Error);
}

TEST_F(ImagesTest, RemovingByIdNeedsForceWhenThereAreSeveralNames) {
  const oci::Digest id = add_image(*store, "one", {"a"});
  store->tag({.name = "two"}, id);
  EXPECT_THROW(store->remove_image(id.short_hex()), base::Error);
  EXPECT_EQ(store->remove_image(id.short_hex(), {.force = true}).untagged.size(), 2u);
  EXPECT_TRUE(store->list_images().empty());
}

TEST_F(ImagesTest, RemovingIsRefusedWhileAContainerUsesIt) {
  add_image(*store, "one", {"a"});
  std::filesystem::create_directory(store->layout().container("c1"));
  store->set_container_uses("c1", store->get_image("one"));
  try {
    store->remove_image("one");
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::Code::kDenied);
  }
  const store::RemoveReport report = store->remove_image("one", {.force = true});
  EXPECT_EQ(report.deleted.size(), 1u);
  EXPECT_TRUE(store->find_layer(layer_id("a")));  // the container still stands on it
  store->discard(store->layout().container("c1"));
  EXPECT_EQ(store->prune({}).layers.size(), 1u);
}

TEST_F(ImagesTest, CachedLayersOutliveTheImage) {
  add_image(*store, "one", {"a"});
  store::Batch batch = store->batch();
  batch.add_cache({.key = "k", .result = layer_id("a")});
  batch.commit();
  store->remove_image("one");
  EXPECT_TRUE(store->find_cache("k"));
}

TEST_F(ImagesTest, AddingOneAgainKeepsItsNames) {
  add_image(*store, "one", {"a"});
  add_image(*store, "two", {"a"});
  EXPECT_EQ(store->list_images().size(), 1u);
  EXPECT_EQ(store->get_image("one").names.size(), 2u);
}

}  // namespace
