#include "cli/images/transfer.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/sys/file.h"
#include "cli/images/image_changes.h"
#include "cli/images/packed_import.h"
#include "overlay/built_layer.h"
#include "store/layer/compression.h"
#include "store/layer/tar_digest.h"
#include "tests/support/layout_fixture.h"
#include "tests/support/temp_dir.h"

namespace {

using support::LayoutFixture;

const oci::Platform kPlatform{.os = "linux", .architecture = "amd64"};

class Transfer : public testing::Test {
 protected:
  Transfer() : store_(store::Store::open(dir_ / "store", store::Access::kReadWrite)) {}

  oci::Digest load(const std::filesystem::path& path, const std::string& name) {
    auto layout = archive::ImageLayout::open(path);
    return cli::import_image(*store_, *layout, layout->get_image("", kPlatform),
                             {oci::Reference::parse(name).with_default_tag()}, {});
  }
  oci::Digest load_fixture(const std::string& name = "a:1") {
    fixture_.write(dir_);
    return load(dir_ / "layout", name);
  }
  // As a build leaves it: a tree, no blob, no manifest.
  oci::DiffId build(const std::string& name, bool has_checksum = true) {
    const std::filesystem::path tree = store_->layout().root() / "tree";
    std::filesystem::create_directory(tree);
    std::ofstream(tree / "hello") << "hello\n";
    store::LayerRecord layer = overlay::built_layer(layer::tar_digest(sys::Root::open(tree)));
    if (!has_checksum) layer.tar_crc32.reset();
    const oci::DiffId diff_id = layer.diff_id;
    fixture_.config.diff_ids = {diff_id};
    auto writer = store_->write_blob();
    writer->write(base::as_bytes(fixture_.config.to_json()));
    store::StagedBlob config = writer->finish();
    oci::Digest image_id = config.digest();
    store::Batch batch = store_->batch();
    batch.add_blob(std::move(config));
    batch.add_layer({std::move(layer), tree});
    batch.add_image({.id = image_id, .platform = "linux/amd64", .layers = {diff_id}});
    batch.set_name({oci::Reference::parse(name).str()}, image_id);
    batch.commit();
    return diff_id;
  }
  std::string save(const std::string& name, cli::Packing packing) {
    base::StringSink sink;
    auto writer = packing == cli::Packing::kNone ? archive::write_docker_archive(sink)
                                                 : archive::write_oci_archive(sink);
    cli::OutgoingImage image = cli::prepare_image(*store_, store_->get_image(name), packing, {});
    cli::export_image(*store_, image, {oci::Reference::parse(name)}, *writer, {});
    writer->finish();
    return sink.text();
  }
  size_t count_files(const std::string& below) {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / below))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  }

  support::TempDir dir_;
  LayoutFixture fixture_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(Transfer, LoadedImagesHaveTheirIdLayersAndNames) {
  oci::Digest id = load_fixture();
  EXPECT_EQ(id, fixture_.manifest.config.digest);
  store::ImageRecord image = store_->get_image("a:1");
  EXPECT_EQ(image.id, id);
  EXPECT_EQ(image.manifest, fixture_.manifest.describe().digest);
  EXPECT_EQ(image.layers, fixture_.config.diff_ids);
  EXPECT_EQ(image.platform, "linux/amd64");
  auto layer = store_->find_layer(fixture_.config.diff_ids[0]);
  ASSERT_TRUE(layer);
  EXPECT_EQ(layer->tar_size_bytes, fixture_.layer.size());
  EXPECT_TRUE(
      std::filesystem::exists(store_->layout().layer_tree(fixture_.config.diff_ids[0]) / "hello"));
}

TEST_F(Transfer, AsTheyAreImagesKeepTheirDigests) {
  load_fixture();
  dir_.write("out.tar", save("a:1", cli::Packing::kAsIs));
  auto layout = archive::ImageLayout::open(dir_ / "out.tar");
  EXPECT_EQ(layout->get_image("a:1", kPlatform).descriptor.digest,
            fixture_.manifest.describe().digest);
}

TEST_F(Transfer, EveryPackingComesBackAsTheSameImage) {
  oci::Digest id = load_fixture();
  for (auto packing : {cli::Packing::kGzip, cli::Packing::kZstd, cli::Packing::kNone}) {
    std::string first = save("a:1", packing);
    EXPECT_EQ(first, save("a:1", packing));
    dir_.write("out.tar", first);
    store_ = store::Store::open(dir_ / ("store" + std::to_string(static_cast<int>(packing))),
                                store::Access::kReadWrite);
    EXPECT_EQ(load(dir_ / "out.tar", "b"), id);
    store_ = store::Store::open(dir_ / "store", store::Access::kReadWrite);
  }
}

TEST_F(Transfer, ImagesThatWereNeverPackedAreOnce) {
  const oci::DiffId layer = build("built:1");
  EXPECT_TRUE(store_->find_layer(layer)->tar_crc32);
  std::string first = save("built:1", cli::Packing::kAsIs);
  EXPECT_TRUE(store_->get_image("built:1").manifest);
  EXPECT_EQ(first, save("built:1", cli::Packing::kAsIs));
}

TEST_F(Transfer, LayersThatChangedInTheStoreDoNotLeave) {
  for (bool has_checksum : {true, false}) {
    store_ = store::Store::open(dir_ / (has_checksum ? "one" : "two"), store::Access::kReadWrite);
    const oci::DiffId layer = build("built:1", has_checksum);
    std::ofstream(store_->layout().layer_tree(layer) / "hello") << "hellO\n";
    for (auto packing : {cli::Packing::kGzip, cli::Packing::kZstd, cli::Packing::kNone}) {
      try {
        save("built:1", packing);
        ADD_FAILURE() << "it left";
      } catch (const base::Error& e) {
        EXPECT_EQ(e.code(), base::Code::kCorrupt);
        EXPECT_EQ(e.id(), has_checksum ? "layer-damaged" : "digest-mismatch");
      }
    }
    EXPECT_TRUE(store_->find_layer(layer)->blobs.empty());
  }
}

TEST_F(Transfer, RefusedImagesLeaveNothing) {
  fixture_.config.diff_ids = {oci::DiffId(oci::Digest::sha256_of("something else"))};
  fixture_.manifest.config = fixture_.config.describe(oci::media_type::kConfig);
  try {
    load_fixture();
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::Code::kCorrupt);
    EXPECT_NE(std::string(e.what()).find(fixture_.manifest.layers[0].digest.str()),
              std::string::npos);
  }
  EXPECT_TRUE(store_->list_images().empty());
  EXPECT_EQ(count_files("store/blobs"), 0u);
  EXPECT_EQ(count_files("store/layers"), 0u);
}

TEST_F(Transfer, TheLimitOfWhatIsUnpackedIsTheImagesNotALayers) {
  const std::string second = support::small_tar("other", std::string(1000, 'x'));
  fixture_.config.diff_ids.push_back(oci::DiffId(oci::Digest::sha256_of(second)));
  fixture_.manifest.config = fixture_.config.describe(oci::media_type::kConfig);
  fixture_.manifest.layers.push_back(oci::Descriptor::of(oci::media_type::kLayer, second));
  fixture_.write(dir_);
  dir_.write(LayoutFixture::path_of(fixture_.manifest.layers[1].digest), second);
  const uint64_t together = fixture_.layer.size() + second.size();
  for (bool packed : {false, true}) {
    for (bool enough : {false, true}) {
      cli::TransferOptions options;
      options.limits.unpacked_bytes = together - (enough ? 0 : 1);
      auto layout = archive::ImageLayout::open(dir_ / "layout");
      const archive::FoundImage image = layout->get_image("", kPlatform);
      const std::vector<oci::Reference> names = {oci::Reference::parse("a:1")};
      auto import = [&] {
        packed ? cli::import_packed(*store_, *layout, image, names, options)
               : cli::import_image(*store_, *layout, image, names, options);
      };
      if (enough) {
        EXPECT_NO_THROW(import());
        continue;
      }
      try {
        import();
        FAIL() << packed;
      } catch (const base::Error& e) {
        EXPECT_EQ(e.id(), "layer-too-large");
      }
    }
    store_ = store::Store::open(dir_ / "another", store::Access::kReadWrite);
  }
}

TEST_F(Transfer, WhatTheStoreHasIsCheckedAgain) {
  load_fixture();
  dir_.write(LayoutFixture::path_of(fixture_.manifest.layers[0].digest),
             support::small_tar("hello", "hellO\n"));
  EXPECT_THROW(load(dir_ / "layout", "a:2"), base::Error);
  EXPECT_FALSE(store_->find_image("a:2"));
}

TEST_F(Transfer, TheSameLayerTwiceIsOneTree) {
  fixture_.config.diff_ids.push_back(fixture_.config.diff_ids[0]);
  fixture_.manifest.config = fixture_.config.describe(oci::media_type::kConfig);
  fixture_.manifest.layers.push_back(fixture_.manifest.layers[0]);
  load_fixture();
  EXPECT_EQ(store_->get_image("a:1").layers.size(), 2u);
  EXPECT_NO_THROW(save("a:1", cli::Packing::kGzip));
}

TEST_F(Transfer, AnotherEncodingOfAKnownLayerIsRemembered) {
  load_fixture();
  base::StringSink packed;
  auto gzip = layer::gzip_sink(packed);
  gzip->write(base::as_bytes(fixture_.layer));
  gzip->finish();
  std::string plain = fixture_.layer;
  fixture_.manifest.layers[0] = oci::Descriptor::of(oci::media_type::kLayerGzip, packed.text());
  fixture_.layer = packed.text();
  load_fixture("a:2");
  EXPECT_EQ(store_->find_layer(fixture_.config.diff_ids[0])->blobs.size(), 2u);
}

TEST_F(Transfer, LayersThatTakeFromBelowAreNotSharedAcrossImages) {
  // The upper layer is one hard link to a file of the lower one: its content is the lower layer's.
  std::string link = support::small_tar("copy", "");
  link[156] = '1';
  link.replace(157, 5, "hello");
  unsigned sum = 0;
  link.replace(148, 8, "        ");
  for (size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(link[i]);
  char checksum[8];
  snprintf(checksum, sizeof checksum, "%06o", sum);
  link.replace(148, 7, std::string(checksum, 7));
  for (const char* content : {"first\n", "second\n"}) {
    fixture_ = LayoutFixture();
    fixture_.layer = support::small_tar("hello", content);
    fixture_.config.diff_ids = {oci::DiffId(oci::Digest::sha256_of(fixture_.layer)),
                                oci::DiffId(oci::Digest::sha256_of(link))};
    fixture_.manifest.config = fixture_.config.describe(oci::media_type::kConfig);
    fixture_.manifest.layers = {oci::Descriptor::of(oci::media_type::kLayer, fixture_.layer),
                                oci::Descriptor::of(oci::media_type::kLayer, link)};
    dir_.write(LayoutFixture::path_of(fixture_.manifest.layers[1].digest), link);
    // Twice: a second import of the same image changes nothing.
    load_fixture(content[0] == 'f' ? "a:first" : "a:second");
    load_fixture(content[0] == 'f' ? "a:first" : "a:second");
  }
  auto upper = [&](const char* name) {
    oci::DiffId id = store_->get_image(name).layers.at(1);
    return sys::read_user_file(store_->layout().layer_tree(id) / "copy", 100);
  };
  EXPECT_EQ(upper("a:first"), "first\n");
  EXPECT_EQ(upper("a:second"), "second\n");
  for (auto packing : {cli::Packing::kAsIs, cli::Packing::kGzip, cli::Packing::kNone}) {
    dir_.write("out.tar", save("a:second", packing));
    auto layout = archive::ImageLayout::open(dir_ / "out.tar");
    auto image = layout->get_image("a:second", kPlatform);
    EXPECT_EQ(image.config.diff_ids, fixture_.config.diff_ids);
    for (const oci::Descriptor& layer : image.manifest.layers) {
      base::CountingSink sink;
      base::copy(*layout->open_blob(layer), sink);
    }
  }
}

TEST(ImageChanges, ChangeTheConfigurationAndNothingElse) {
  oci::ImageConfig config;
  config.platform = kPlatform;
  config.config.on_build = {"RUN old"};
  config.config.env = {"PATH=/bin"};
  cli::apply_changes(config, {"ENV A=b", "CMD [\"sh\"]", "LABEL k=v", "USER 7", "ONBUILD RUN x"});
  EXPECT_EQ(config.config.env, (std::vector<std::string>{"PATH=/bin", "A=b"}));
  EXPECT_EQ(config.config.cmd, std::vector<std::string>{"sh"});
  EXPECT_EQ(config.config.labels.at("k"), "v");
  EXPECT_EQ(config.config.user, "7");
  EXPECT_EQ(config.config.on_build, (std::vector<std::string>{"RUN old", "RUN x"}));
  EXPECT_THROW(cli::apply_changes(config, {"RUN true"}), base::Error);
  EXPECT_THROW(cli::apply_changes(config, {"NONSENSE"}), base::Error);
}

}  // namespace
