#include "runner/container/cdi.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/text.h"
#include "tests/support/temp_dir.h"

namespace container {
namespace {

class Cdi : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_.path() / name) << text;
  }
  Config apply(const std::vector<std::string>& names) {
    Config config;
    config.env = {"SHARED=image", "PATH=/bin"};
    apply_cdi_devices({directory_.path()}, names, config);
    return config;
  }
  std::string id_of(const std::string& name) {
    try {
      apply({name});
    } catch (const base::Error& e) {
      return e.id();
    }
    return "none";
  }
  support::TempDir directory_;
};

constexpr const char* kSpec = R"({"cdiVersion": "0.6.0", "kind": "example.com/card",
  "containerEdits": {"env": ["SHARED=yes"], "mounts": [{"hostPath": "/usr/lib/card", "containerPath": "/lib/card", "options": ["ro", "nosuid", "bind"]}]},
  "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/card0", "hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3}], "additionalGids": [44]}},
              {"name": "1", "containerEdits": {"deviceNodes": [{"path": "/dev/card1", "permissions": "rw"}], "env": ["ONE=1"]}}]})";

TEST(CdiNames, AreNoPaths) {
  for (const char* name : {"vendor.com/class=name", "nvidia.com/gpu=all", "a/b=c"})
    EXPECT_TRUE(is_cdi_name(name)) << name;
  for (const char* path :
       {"/dev/null", "./a/b=c", "/dev/a=b", "dev/null", "a=b", "a/=b", "a/b=", "/dev/a:/dev/b=c"})
    EXPECT_FALSE(is_cdi_name(path)) << path;
}

TEST_F(Cdi, GivesWhatTheDevicesAndTheirFileSayOnce) {
  write("card.json", kSpec);
  const Config config = apply({"example.com/card=0", "example.com/card=1"});
  EXPECT_EQ(config.env, (std::vector<std::string>{"PATH=/bin", "SHARED=yes", "ONE=1"}));
  ASSERT_EQ(config.devices.size(), 2u);
  EXPECT_EQ(config.devices[0].source, "/dev/null");
  EXPECT_EQ(config.devices[0].target, "/dev/card0");
  EXPECT_EQ(config.devices[1].source, "/dev/card1");
  EXPECT_EQ(config.devices[1].access, "rw");
  ASSERT_EQ(config.mounts.size(), 1u);
  EXPECT_EQ(config.mounts[0].source, "/usr/lib/card");
  EXPECT_TRUE(config.mounts[0].read_only);
  EXPECT_EQ(config.groups, std::vector<std::string>{"44"});
}

TEST_F(Cdi, SaysWhichDeviceIsMissing) {
  write("card.json", kSpec);
  EXPECT_EQ(id_of("example.com/card=2"), "device-missing");
  EXPECT_EQ(id_of("example.com/other=0"), "device-missing");
  write("again.json", kSpec);
  EXPECT_EQ(id_of("example.com/card=0"), "cdi-spec");
}

TEST_F(Cdi, RefusesWhatItDoesNotDo) {
  for (const char* edits :
       {R"("hooks": [{"hookName": "createContainer", "path": "/bin/true"}])", R"("intelRdt": {})",
        R"("deviceNodes": [{"path": "/dev/a", "permissions": "r"}])",
        R"("deviceNodes": [{"path": "/dev/a", "uid": 5}])",
        R"("mounts": [{"hostPath": "/a", "containerPath": "/a", "options": ["shared"]}])",
        R"("mounts": [{"hostPath": "/a", "containerPath": "/a", "type": "tmpfs"}])"}) {
    write(
        "card.json",
        base::str(
            R"({"cdiVersion": "0.6.0", "kind": "a/b", "devices": [{"name": "c", "containerEdits": {)",
            edits, "}}]}"));
    EXPECT_EQ(id_of("a/b=c"), "cdi-unsupported") << edits;
  }
  write("card.json", R"({"cdiVersion": "2.0", "kind": "a/b"})");
  EXPECT_THROW(apply({"a/b=c"}), base::Error);
  write("card.json", "[");
  EXPECT_EQ(id_of("a/b=c"), "cdi-spec");
}

TEST_F(Cdi, LetsTheLaterDirectoryWin) {
  write("card.json", kSpec);
  support::TempDir later;
  std::ofstream(later.path() / "card.json")
      << R"({"cdiVersion": "1.0.0", "kind": "example.com/card", "devices": [{"name": "0", "containerEdits": {"env": ["LATER=1"]}}]})";
  Config config;
  apply_cdi_devices({directory_.path(), later.path()}, {"example.com/card=0"}, config);
  EXPECT_EQ(config.env, std::vector<std::string>{"LATER=1"});
  EXPECT_TRUE(config.devices.empty());
}

}  // namespace
}  // namespace container
