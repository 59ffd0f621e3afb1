// What we write, the field's tools read, and the other way round.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/sys/process.h"
#include "store/archive/image_layout.h"
#include "store/archive/image_writer.h"
#include "tests/support/layout_fixture.h"
#include "tests/support/temp_dir.h"

namespace {

using support::LayoutFixture;

const oci::Platform kPlatform{.os = "linux", .architecture = "amd64"};

class Interoperation : public testing::Test {
 protected:
  /// Runs a tool; false with its output shown when it fails.
  bool run(std::vector<std::string> argv) {
    std::string output;
    int status = sys::run_program(argv, &output).shell_status();
    EXPECT_EQ(status, 0) << output;
    return status == 0;
  }
  void require(const char* tool) {
    std::string output;
    if (sys::run_program({"sh", "-c", std::string("command -v ") + tool}, &output).code != 0)
      GTEST_SKIP() << tool << " is not installed";
  }
  void write(archive::ImageWriter& writer) {
    writer.add_blob(fixture_.manifest.layers[0], fixture_.layer);
    writer.add_blob(fixture_.manifest.config, fixture_.config.bytes());
    writer.add_image(fixture_.manifest, fixture_.config, {oci::Reference::parse("torte/test:1")});
    writer.finish();
  }
  std::string write_archive(std::unique_ptr<archive::ImageWriter> (*make)(base::Sink&),
                            const std::string& name) {
    base::StringSink sink;
    write(*make(sink));
    dir_.write(name, sink.text());
    return (dir_ / name).string();
  }
  void expect_our_image(const std::filesystem::path& path, std::string_view name) {
    auto layout = archive::ImageLayout::open(path);
    auto image = layout->get_image(name, kPlatform);
    EXPECT_EQ(image.config.diff_ids, fixture_.config.diff_ids);
    ASSERT_EQ(image.manifest.layers.size(), 1u);
    base::CountingSink sink;
    base::copy(*layout->open_blob(image.manifest.layers[0]), sink);
  }

  support::TempDir dir_;
  LayoutFixture fixture_;
};

TEST_F(Interoperation, SkopeoReadsWhatWeWrite) {
  require("skopeo");
  if (IsSkipped()) return;
  write(*archive::write_oci_directory(dir_ / "dir"));
  std::string oci = write_archive(archive::write_oci_archive, "oci.tar");
  std::string docker = write_archive(archive::write_docker_archive, "docker.tar");
  for (const std::string& source :
       {"oci:" + (dir_ / "dir").string() + ":1", "oci-archive:" + oci, "docker-archive:" + docker,
        "docker-archive:" + docker + ":torte/test:1"})
    EXPECT_TRUE(run({"skopeo", "inspect", source})) << source;
}

TEST_F(Interoperation, WeReadWhatSkopeoWrites) {
  require("skopeo");
  if (IsSkipped()) return;
  std::string from = "oci-archive:" + write_archive(archive::write_oci_archive, "oci.tar");
  for (const char* kind : {"oci:", "oci-archive:", "docker-archive:"}) {
    std::string to = (dir_ / ("out-" + std::to_string(std::string(kind).size()))).string();
    ASSERT_TRUE(run({"skopeo", "--insecure-policy", "copy", from, kind + to + ":r.io/x/y:2"}));
    expect_our_image(to, "r.io/x/y:2");
    expect_our_image(to, "");
    if (std::filesystem::is_regular_file(to)) {
      ASSERT_TRUE(run({"xz", "-0", to}));
      expect_our_image(to + ".xz", "r.io/x/y:2");
    }
  }
}

TEST_F(Interoperation, UmociReadsWhatWeWrite) {
  require("umoci");
  if (IsSkipped()) return;
  write(*archive::write_oci_directory(dir_ / "dir"));
  std::string image = (dir_ / "dir").string() + ":1";
  EXPECT_TRUE(run({"umoci", "stat", "--image", image}));
  EXPECT_TRUE(
      run({"umoci", "raw", "unpack", "--rootless", "--image", image, (dir_ / "root").string()}));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "root/hello"));
}

}  // namespace
