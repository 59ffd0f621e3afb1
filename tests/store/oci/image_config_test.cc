#include "store/oci/image_config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"

namespace {

using namespace std::chrono_literals;

const std::string kId = "sha256:" + std::string(64, 'b');

oci::ImageConfig full() {
  oci::ImageConfig c;
  c.created = "2024-01-01T00:00:00Z";
  c.author = "somebody";
  c.platform = {.os = "linux", .architecture = "arm", .variant = "v7"};
  c.config.user = "1:1";
  c.config.exposed_ports = {"80/tcp"};
  c.config.env = {"B=1", "A=2"};
  c.config.entrypoint = {"/bin/sh", "-c"};
  c.config.cmd = {"echo", ""};
  c.config.volumes = {"/data"};
  c.config.working_dir = "/w";
  c.config.labels = {{"k", "v"}};
  c.config.stop_signal = "SIGINT";
  c.config.healthcheck = oci::Healthcheck{.test = {"CMD", "true"}, .interval = 5s, .retries = 3};
  c.config.shell = {"/bin/bash", "-c"};
  c.config.on_build = {"RUN true"};
  c.config.args_escaped = true;
  c.diff_ids = {oci::DiffId::parse(kId)};
  c.history = {{.created = "2024-01-01T00:00:00Z", .created_by = "COPY . ."},
               {.created_by = "ENV A=2", .empty_layer = true}};
  return c;
}

TEST(ImageConfig, ReadsWhatItWrites) {
  oci::ImageConfig c = full();
  oci::ImageConfig again = oci::ImageConfig::parse(c.to_json());
  EXPECT_EQ(again.config, c.config);
  EXPECT_EQ(again.platform, c.platform);
  EXPECT_EQ(again.history, c.history);
  EXPECT_EQ(again.diff_ids, c.diff_ids);
  EXPECT_EQ(again.to_json(), c.to_json());
  EXPECT_EQ(again.bytes(), c.to_json());
}

TEST(ImageConfig, KeepsFieldsItDoesNotKnow) {
  std::string text = base::str(
      R"({"os":"linux","architecture":"amd64","docker_version":"20","config":{"Hostname":"h",)",
      R"("StopTimeout":7},"rootfs":{"type":"layers","diff_ids":[]}})");
  oci::ImageConfig c = oci::ImageConfig::parse(text);
  EXPECT_EQ(c.bytes(), text);
  std::string again = c.to_json();
  EXPECT_NE(again.find(R"("docker_version":"20")"), std::string::npos);
  EXPECT_NE(again.find(R"("StopTimeout":7)"), std::string::npos);
}

TEST(ImageConfig, TakesTheNullsThatDockerWrites) {
  oci::ImageConfig c = oci::ImageConfig::parse(
      R"({"os":"linux","architecture":"amd64","config":{"Env":null,"Cmd":null,"Labels":null,
          "Volumes":null,"OnBuild":null},"history":null,"rootfs":{"type":"layers","diff_ids":null}})");
  EXPECT_EQ(c.config, oci::ContainerConfig{});
}

TEST(ImageConfig, RefusesWrongTypesAndMissingParts) {
  std::string rootfs = R"("rootfs":{"type":"layers","diff_ids":[]})";
  std::string base = R"("os":"linux","architecture":"amd64")";
  for (const std::string& bad :
       {"{" + base + "}", "{" + rootfs + "}", "{" + base + R"(,"rootfs":{"type":"x"}})",
        "{" + base + R"(,"rootfs":{"type":"layers","diff_ids":["x"]}})",
        "{" + base + "," + rootfs + R"(,"config":{"User":7}})",
        "{" + base + "," + rootfs + R"(,"config":{"Env":"A=b"}})",
        "{" + base + "," + rootfs + R"(,"config":{"Env":["A=b\u0000c"]}})",
        "{" + base + "," + rootfs + R"(,"config":{"Volumes":["/a"]}})",
        "{" + base + "," + rootfs + R"(,"config":{"Healthcheck":{"Interval":-1}}})",
        "{" + base + "," + rootfs + R"(,"history":[{"empty_layer":"no"}]})"})
    EXPECT_THROW(oci::ImageConfig::parse(bad), base::Error) << bad;
}

}  // namespace
