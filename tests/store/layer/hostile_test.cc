// Layers that try to get out of their tree. The tree lies beside a directory that must not change.
#include <fstream>

#include "tests/store/layer/tree_fixture.h"

namespace {

using base::Code;
using namespace tarbytes;

class Hostile : public TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    if (IsSkipped()) return;
    dir_.write("canary/secret", "secret");
    dir_.write("canary/victim", "victim");
    canary_ = (dir_ / "canary").string();
    up_ = "";
    for (int i = 0; i < 24; ++i) up_ += "../";
    up_ += canary_.substr(1);
    before_ = snapshot();
  }
  void TearDown() override {
    if (IsSkipped()) return;
    EXPECT_EQ(snapshot(), before_) << "the canary changed";
  }

  /// Whether accepted or refused, nothing of the canary may be in the tree.
  void attack(const std::string& tar) {
    refusal(tar + end());
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "tree")) {
      if (!entry.is_regular_file() || entry.is_symlink()) continue;
      std::ifstream in(entry.path());
      std::string text((std::istreambuf_iterator<char>(in)), {});
      EXPECT_NE(text, "secret") << entry.path();
    }
    EXPECT_EQ(snapshot(), before_);
  }

  std::string snapshot() const {
    std::string text;
    for (const char* name : {"", "secret", "victim"}) {
      struct stat st;
      if (::lstat((dir_ / "canary" / name).c_str(), &st) != 0) return "gone";
      text += std::to_string(st.st_ino) + " " + std::to_string(st.st_mode) + " " +
              std::to_string(st.st_uid) + " " + std::to_string(st.st_nlink) + " " +
              std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec) + "\n";
    }
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "canary"))
      text += entry.path().filename().string() + "\n";
    return text;
  }

  std::string canary_;
  std::string up_;
  std::string before_;
};

std::string long_file(const std::string& path) { return pax({{"path", path}}) + file("x", "evil"); }

TEST_F(Hostile, NamesThatClimb) {
  attack(long_file(up_ + "/pwned"));
  attack(directory("a") + long_file("a/" + up_ + "/pwned"));
  attack(long_file(canary_ + "/pwned"));
  EXPECT_EQ(refusal(long_file("../x")), Code::kInvalid);
  EXPECT_EQ(refusal(long_file("a/../../x")), Code::kInvalid);
}

TEST_F(Hostile, WritesThroughLinks) {
  attack(soft_link("l", canary_) + long_file("l/pwned") + long_file("l/victim"));
  attack(directory("d") + pax({{"linkpath", up_}}) + soft_link("d/l", "x") +
         long_file("d/l/pwned"));
  attack(soft_link("a", "b") + soft_link("b", "c") + soft_link("c", canary_) +
         long_file("a/pwned"));
  attack(soft_link("f", canary_ + "/victim") + file("f", "evil"));
  EXPECT_EQ(content("f"), "evil");
  attack(soft_link("p", canary_ + "/fifo") + block({.name = "p", .type = '6'}));
  attack(soft_link("l", canary_) + block({.name = "l", .type = '5', .mode = 0777, .uid = 4242}));
  EXPECT_TRUE(S_ISDIR(stat("l")->st_mode));
}

TEST_F(Hostile, LinksResolveInsideTheTree) {
  extract(soft_link("l", canary_) + file("l/pwned", "evil") + end());
  EXPECT_EQ(content(canary_ + "/pwned"), "evil");
}

TEST_F(Hostile, LinkLoops) {
  EXPECT_EQ(refusal(soft_link("a", "b") + soft_link("b", "a") + file("a/x")), Code::kInvalid);
  EXPECT_EQ(refusal(soft_link("a", "a") + file("a/x")), Code::kInvalid);
}

TEST_F(Hostile, HardLinksOut) {
  for (const std::string& target : {canary_ + "/secret", up_ + "/secret"}) {
    attack(pax({{"linkpath", target}}) + hardlink("h", "x"));
    attack(pax({{"linkpath", target}}) + hardlink("h", "x") + file("h", "evil"));
  }
  attack(soft_link("l", canary_) + hardlink("h", "l/secret"));
  attack(soft_link("l", canary_ + "/victim") + hardlink("h", "l") + file("h", "evil"));
  EXPECT_EQ(content("h"), "evil");
  EXPECT_TRUE(S_ISLNK(stat("l")->st_mode));
}

TEST_F(Hostile, HardLinkEntriesDoNotChangeWhatALinkPointsTo) {
  attack(soft_link("l", canary_ + "/victim") +
         block({.name = "h", .type = '1', .mode = 0777, .uid = 4242, .mtime = 1, .link = "l"}));
}

TEST_F(Hostile, WhiteoutsThroughLinks) {
  attack(soft_link("l", canary_) + file("l/.wh.victim", "") + file("l/.wh..wh..opq", ""));
}

TEST_F(Hostile, ParentsThatAreNotDirectories) {
  EXPECT_EQ(refusal(file("a") + file("a/b")), Code::kInvalid);
  EXPECT_EQ(refusal(soft_link("l", "f") + file("f") + file("l/x")), Code::kInvalid);
}

TEST_F(Hostile, OverlayWhiteoutDevices) {
  EXPECT_EQ(refusal(block({.name = "w", .type = '3'})), Code::kInvalid);
}

TEST_F(Hostile, MessagesAreShortAndClean) {
  refusal(pax({{"path", std::string(3000, '\x1b') + "/x"}}) + file("x") +
          hardlink("\x1b]0;t\x07", "\n"));
  EXPECT_LT(message_.size(), 1024u);
  for (char c : message_) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

}  // namespace
