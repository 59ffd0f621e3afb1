#include "store/archive/image_layout.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys/file.h"
#include "store/oci/index.h"
#include "tests/support/layout_fixture.h"
#include "tests/support/temp_dir.h"

namespace {

using archive::ImageLayout;
using support::LayoutFixture;

const oci::Platform kPlatform{.os = "linux", .architecture = "amd64"};

/// Reads everything an import would; returns "" or the message.
std::string failure(const std::filesystem::path& path, std::string_view ref_name = "t") {
  try {
    auto layout = ImageLayout::open(path);
    auto image = layout->get_image(ref_name, kPlatform);
    for (const oci::Descriptor& layer : image.manifest.layers) {
      auto source = layout->open_blob(layer);
      base::CountingSink sink;
      base::copy(*source, sink);
    }
    return "";
  } catch (const base::Error& e) {
    return e.what();
  }
}

TEST(ImageLayout, ReadsAGoodLayout) {
  support::TempDir dir;
  LayoutFixture fixture;
  fixture.write(dir);
  auto layout = ImageLayout::open(dir / "layout");
  EXPECT_EQ(layout->format(), archive::Format::kOciDirectory);
  auto image = layout->get_image("t", kPlatform);
  EXPECT_EQ(image.manifest.bytes(), fixture.manifest.to_json());
  EXPECT_EQ(image.names, std::vector<std::string>{"t"});
  EXPECT_EQ(base::read_all(*layout->open_blob(image.manifest.layers[0]), 1 << 20), fixture.layer);
  EXPECT_EQ(failure(dir / "layout", ""), "");
}

TEST(ImageLayout, RefusesEveryBlobThatWasChanged) {
  LayoutFixture fixture;
  std::vector<oci::Descriptor> blobs = {fixture.manifest.layers[0], fixture.manifest.config,
                                        fixture.manifest.describe()};
  for (const oci::Descriptor& blob : blobs) {
    for (int kind = 0; kind < 4; ++kind) {
      support::TempDir dir;
      fixture.write(dir);
      std::filesystem::path path = dir / LayoutFixture::path_of(blob.digest);
      std::string bytes = sys::read_user_file(path, 1 << 20);
      if (kind == 0) bytes[bytes.size() / 2] ^= 1;
      if (kind == 1) bytes.pop_back();
      if (kind == 2) bytes += " ";
      std::filesystem::remove(path);
      if (kind < 3) dir.write(LayoutFixture::path_of(blob.digest), bytes);
      EXPECT_NE(failure(dir / "layout"), "") << blob.media_type << " " << kind;
    }
  }
}

TEST(ImageLayout, RefusesLinksFifosAndDirectoriesForBlobs) {
  LayoutFixture fixture;
  for (int kind = 0; kind < 3; ++kind) {
    support::TempDir dir;
    fixture.write(dir);
    std::filesystem::path path = dir / LayoutFixture::path_of(fixture.manifest.layers[0].digest);
    std::filesystem::rename(path, dir / "kept");
    if (kind == 0) std::filesystem::create_symlink(dir / "kept", path);
    if (kind == 1) {
      ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    }
    if (kind == 2) std::filesystem::create_directory(path);
    EXPECT_NE(failure(dir / "layout").find("not a regular file"), std::string::npos) << kind;
  }
}

TEST(ImageLayout, RefusesAMissingOrNewerMarker) {
  support::TempDir dir;
  LayoutFixture fixture;
  fixture.write(dir);
  dir.write("layout/oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
  EXPECT_NE(failure(dir / "layout"), "");
  std::filesystem::remove(dir / "layout/oci-layout");
  EXPECT_NE(failure(dir / "layout").find("oci-layout is missing"), std::string::npos);
  std::filesystem::remove(dir / "layout/index.json");
  EXPECT_NE(failure(dir / "layout").find("neither"), std::string::npos);
}

TEST(ImageLayout, RefusesDeepIndexesAndTypeLies) {
  support::TempDir dir;
  LayoutFixture fixture;
  fixture.write(dir);
  oci::Descriptor current = fixture.entry("");
  for (int depth = 1; depth <= 5; ++depth) {
    oci::Index index{.media_type = std::string(oci::media_type::kIndex), .manifests = {current}};
    current = index.describe();
    dir.write(LayoutFixture::path_of(current.digest), index.to_json());
    dir.write("layout/index.json", LayoutFixture::index_of({current}));
    EXPECT_EQ(failure(dir / "layout", "").empty(), depth <= 4) << depth;
  }
  oci::Descriptor lie = fixture.entry();
  lie.media_type = oci::media_type::kIndex;
  dir.write("layout/index.json", LayoutFixture::index_of({lie}));
  EXPECT_NE(failure(dir / "layout"), "");
}

TEST(ImageLayout, WantsDiffIdsToMatchTheLayers) {
  support::TempDir dir;
  LayoutFixture fixture;
  fixture.config.diff_ids.push_back(fixture.config.diff_ids[0]);
  fixture.manifest.config = fixture.config.describe(oci::media_type::kConfig);
  fixture.write(dir);
  EXPECT_NE(failure(dir / "layout").find("diff_ids"), std::string::npos);
}

TEST(ImageLayout, ForeignLayersAreNotFetched) {
  support::TempDir dir;
  LayoutFixture fixture;
  fixture.manifest.layers[0].urls = {"http://127.0.0.1:9/x"};
  fixture.manifest.layers[0].media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar";
  fixture.write(dir);
  std::filesystem::remove(dir / LayoutFixture::path_of(fixture.manifest.layers[0].digest));
  EXPECT_NE(failure(dir / "layout").find("not followed"), std::string::npos);
}

TEST(ImageLayout, NamesChooseAmongImages) {
  support::TempDir dir;
  LayoutFixture fixture;
  fixture.write(dir);
  LayoutFixture other;
  other.config.author = "other";
  other.manifest.config = other.config.describe(oci::media_type::kConfig);
  dir.write(LayoutFixture::path_of(other.manifest.config.digest), other.config.bytes());
  dir.write(LayoutFixture::path_of(other.manifest.describe().digest), other.manifest.bytes());
  dir.write("layout/index.json",
            LayoutFixture::index_of({fixture.entry("busybox"),
                                     fixture.entry("docker.io/library/b:2"), other.entry("x")}));
  auto layout = ImageLayout::open(dir / "layout");
  EXPECT_EQ(layout->get_image("x", kPlatform).config.author, "other");
  EXPECT_EQ(layout->get_image("busybox:latest", kPlatform).config.author, "");
  EXPECT_EQ(layout->get_image("b:2", kPlatform).config.author, "");
  EXPECT_THROW(layout->get_image("nothing", kPlatform), base::Error);
  EXPECT_THROW(layout->get_image("", kPlatform), base::Error);
  auto images = layout->get_images(kPlatform);
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].names.size(), 2u);
}

TEST(ImageLayout, PlatformsSideBySideAreOneImage) {
  support::TempDir dir;
  LayoutFixture fixture;
  fixture.write(dir);
  oci::Descriptor here = fixture.entry("");
  here.platform = kPlatform;
  oci::Descriptor there = oci::Descriptor::of(oci::media_type::kManifest, "elsewhere");
  there.platform = oci::Platform{.os = "linux", .architecture = "s390x"};
  dir.write("layout/index.json", LayoutFixture::index_of({there, here}));
  EXPECT_EQ(failure(dir / "layout", ""), "");
}

TEST(ImageLayout, RefusesFilesThatAreNoArchives) {
  support::TempDir dir;
  dir.write("text", "hello\n");
  dir.write("empty", "");
  dir.write("gz", "\x1f\x8b\x08 not really");
  for (const char* name : {"text", "empty", "gz"}) EXPECT_NE(failure(dir / name), "") << name;
  EXPECT_NE(failure(dir / "absent").find("no such file"), std::string::npos);
}

}  // namespace
