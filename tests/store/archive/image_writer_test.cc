#include "store/archive/image_writer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "store/archive/image_layout.h"
#include "store/layer/compression.h"
#include "tests/support/layout_fixture.h"
#include "tests/support/temp_dir.h"

namespace {

using archive::ImageLayout;
using archive::ImageWriter;
using support::LayoutFixture;

const oci::Platform kPlatform{.os = "linux", .architecture = "amd64"};

void add(ImageWriter& writer, const LayoutFixture& fixture, std::vector<oci::Reference> names) {
  writer.add_blob(fixture.manifest.layers[0], fixture.layer);
  writer.add_blob(fixture.manifest.config, fixture.config.bytes());
  writer.add_image(fixture.manifest, fixture.config, names);
}

std::string archive_of(std::unique_ptr<ImageWriter> (*make)(base::Sink&)) {
  base::StringSink sink;
  auto writer = make(sink);
  add(*writer, LayoutFixture(), {oci::Reference::parse("a:1"), oci::Reference::parse("r.io/b:2")});
  writer->finish();
  return sink.text();
}

TEST(ImageWriter, WritesTheSameBytesTwice) {
  EXPECT_EQ(archive_of(archive::write_oci_archive), archive_of(archive::write_oci_archive));
  EXPECT_EQ(archive_of(archive::write_docker_archive), archive_of(archive::write_docker_archive));
}

TEST(ImageWriter, WhatItWritesIsReadBack) {
  LayoutFixture fixture;
  for (auto* make : {archive::write_oci_archive, archive::write_docker_archive}) {
    support::TempDir dir;
    dir.write("a.tar", archive_of(make));
    auto layout = ImageLayout::open(dir / "a.tar");
    for (const char* name : {"a:1", "1", "r.io/b:2"}) {
      auto image = layout->get_image(name, kPlatform);
      EXPECT_EQ(image.manifest.bytes(), fixture.manifest.to_json());
      EXPECT_EQ(base::read_all(*layout->open_blob(image.manifest.layers[0]), 1 << 20),
                fixture.layer);
    }
  }
}

TEST(ImageWriter, PackedArchivesAreReadBack) {
  std::string plain = archive_of(archive::write_oci_archive);
  for (int kind = 0; kind < 2; ++kind) {
    base::StringSink packed;
    auto sink = kind == 0 ? layer::gzip_sink(packed) : layer::zstd_sink(packed);
    sink->write(base::as_bytes(plain));
    sink->finish();
    support::TempDir dir;
    dir.write("a", packed.text());
    EXPECT_EQ(ImageLayout::open(dir / "a")->get_image("a:1", kPlatform).config.created,
              "2024-01-01T00:00:00Z");
    // A cut archive is refused as a whole.
    dir.write("cut", packed.text().substr(0, packed.text().size() / 2));
    EXPECT_THROW(ImageLayout::open(dir / "cut"), base::Error);
  }
}

TEST(ImageWriter, DockerFormIsReadWithoutItsLayout) {
  support::TempDir dir;
  LayoutFixture fixture;
  std::string config = fixture.config.bytes();
  std::string config_name = base::str(fixture.manifest.config.digest.hex(), ".json");
  dir.write("d/" + config_name, config);
  dir.write("d/x/layer.tar", fixture.layer);
  dir.write("d/manifest.json",
            base::str(R"([{"Config":")", config_name,
                      R"(","RepoTags":["busybox:1"],"Layers":["x/layer.tar"]}])"));
  auto layout = ImageLayout::open(dir / "d");
  EXPECT_EQ(layout->format(), archive::Format::kDockerArchive);
  auto image = layout->get_image("busybox:1", kPlatform);
  EXPECT_EQ(image.manifest.config.digest, fixture.manifest.config.digest);
  EXPECT_EQ(base::read_all(*layout->open_blob(image.manifest.layers[0]), 1 << 20), fixture.layer);
  // The layer's bytes must be those of its diff id.
  dir.write("d/x/layer.tar", support::small_tar("evil", "evil\n"));
  auto spoiled = ImageLayout::open(dir / "d");
  EXPECT_THROW(base::read_all(*spoiled->open_blob(image.manifest.layers[0]), 1 << 20), base::Error);
  // The configuration's bytes must be those of its name.
  dir.write("d/" + config_name, config + " ");
  EXPECT_THROW(ImageLayout::open(dir / "d"), base::Error);
}

TEST(ImageWriter, DirectoriesKeepOtherImagesAndMoveNames) {
  support::TempDir dir;
  LayoutFixture first;
  auto writer = archive::write_oci_directory(dir / "out");
  add(*writer, first, {oci::Reference::parse("a:1"), oci::Reference::parse("b:2")});
  writer->finish();
  LayoutFixture second;
  second.config.author = "second";
  second.manifest.config = second.config.describe(oci::media_type::kConfig);
  writer = archive::write_oci_directory(dir / "out");
  add(*writer, second, {oci::Reference::parse("a:1")});
  writer->finish();
  auto layout = ImageLayout::open(dir / "out");
  EXPECT_EQ(layout->get_image("a:1", kPlatform).config.author, "second");
  EXPECT_EQ(layout->get_image("b:2", kPlatform).config.author, "");
  EXPECT_EQ(layout->index().manifests.size(), 2u);
}

TEST(ImageWriter, EntriesHaveExactlyTheNameTheyWereGiven) {
  support::TempDir dir;
  auto put = [&](const std::string& document, const std::string& name) {
    auto writer = archive::write_oci_directory(dir / "out");
    oci::Descriptor entry = oci::Descriptor::of(oci::media_type::kIndex, document);
    writer->add_blob(entry, document);
    writer->add_entry(entry, name);
    writer->finish();
    return entry.digest;
  };
  const std::string empty = R"({"schemaVersion":2,"manifests":[]})";
  put(empty, "v1");
  oci::Digest moved = put(empty + " ", "v1");
  oci::Digest unnamed = put(empty + "  ", "");
  put(empty + "  ", "");
  auto layout = ImageLayout::open(dir / "out");
  ASSERT_EQ(layout->index().manifests.size(), 2u);
  EXPECT_EQ(layout->index().manifests[0].annotation(oci::annotation::kRefName), "v1");
  EXPECT_EQ(layout->get_entry("v1").digest, moved);
  EXPECT_EQ(layout->index().manifests[1].digest, unnamed);
  EXPECT_THROW(layout->get_entry(""), base::Error);  // which one?
  EXPECT_THROW(layout->get_entry("v2"), base::Error);
}

TEST(ImageWriter, BlobsOfADirectoryStayUnlessTheyAreWrong) {
  support::TempDir dir;
  LayoutFixture fixture;
  oci::Descriptor blob = fixture.manifest.layers[0];
  int written = 0;
  auto put = [&] {
    archive::write_oci_directory(dir / "out")->add_blob(blob, [&](base::Sink& out) {
      ++written;
      out.write(base::as_bytes(fixture.layer));
    });
  };
  put();
  put();
  EXPECT_EQ(written, 1);
  dir.write(base::str("out/blobs/sha256/", blob.digest.hex()),
            std::string(fixture.layer.size(), 'x'));
  put();
  EXPECT_EQ(written, 2);
}

TEST(ImageWriter, BlobsMayBeNamedBySha512) {
  LayoutFixture fixture;
  base::Sha512 hash;
  hash.write(base::as_bytes(fixture.layer));
  fixture.manifest.layers[0].digest = oci::Digest::parse("sha512:" + hash.finish_hex());
  support::TempDir dir;
  base::StringSink sink;
  auto writer = archive::write_oci_archive(sink);
  add(*writer, fixture, {oci::Reference::parse("a:1")});
  writer->finish();
  dir.write("a.tar", sink.text());
  writer = archive::write_oci_directory(dir / "d");
  add(*writer, fixture, {oci::Reference::parse("a:1")});
  writer->finish();
  for (const char* name : {"a.tar", "d"}) {
    auto layout = ImageLayout::open(dir / name);
    auto image = layout->get_image("a:1", kPlatform);
    EXPECT_EQ(base::read_all(*layout->open_blob(image.manifest.layers[0]), 1 << 20), fixture.layer);
  }
}

TEST(ImageWriter, RefusesBlobsThatAreNotWhatTheySay) {
  base::StringSink sink;
  auto writer = archive::write_oci_archive(sink);
  EXPECT_THROW(writer->add_blob(oci::Descriptor::of("a/b", "abc"), "abd"), base::Error);
  EXPECT_THROW(writer->add_blob(oci::Descriptor::of("a/b", "abc"), "ab"), base::Error);
}

}  // namespace
