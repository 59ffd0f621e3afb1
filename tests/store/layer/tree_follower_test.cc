#include "store/layer/tree_follower.h"

#include <fstream>
#include <optional>

#include "base/hash.h"
#include "tests/store/layer/tree_fixture.h"

namespace {

class Follower : public TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    if (IsSkipped()) return;
    ::chmod((dir_ / "tree").c_str(), 0755);
    follower_.emplace(tree(), timespec{5, 0});
  }

  void make_directory(const std::string& path, time_t mtime) {
    std::filesystem::create_directory(dir_ / "tree" / path);
    sys::UniqueFd fd = tree().open_at(sys::RootedPath(path), O_RDONLY | O_DIRECTORY);
    follower_->directory(path, fd.get(), {mtime, 0});
  }
  void make_file(const std::string& path, const std::string& content) {
    dir_.write("tree/" + path, content);
    follower_->entry(path);
  }
  void set_time(const std::string& path, time_t mtime) {
    const timespec times[2] = {{mtime, 0}, {mtime, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / "tree" / path).c_str(), times, 0), 0);
  }
  std::optional<std::string> foretold() {
    std::optional<layer::TarDigest> digest = std::move(*follower_).finish();
    if (!digest) return std::nullopt;
    return std::string(digest->diff_id.hex());
  }
  std::string written() const { return base::sha256_hex(base::as_bytes(write())); }

  std::optional<layer::TreeFollower> follower_;
};

TEST_F(Follower, HashesWhatIsMadeInTheOrderOfTheTar) {
  make_directory("d", 7);
  for (int i = 100; i < 400; ++i) make_file("d/" + std::to_string(i), std::to_string(i));
  make_file("d.d", "after what is in d");
  set_time("d", 7);
  EXPECT_EQ(foretold(), written());
}

TEST_F(Follower, HashesAFileWhileItGrows) {
  dir_.write("tree/f", "");
  struct stat st = *stat("f");
  st.st_size = 6;
  st.st_mtim = {9, 0};
  std::shared_ptr<layer::GrowingFile> file = follower_->growing("f", st);
  for (const char* part : {"one", "two"}) {
    std::ofstream(dir_ / "tree/f", std::ios::app) << part;
    file->add(3);
  }
  set_time("f", 9);
  EXPECT_EQ(foretold(), written());
}

TEST_F(Follower, HashesAFileThatIsHandedToIt) {
  dir_.write("tree/f", "onetwo");
  dir_.write("tree/g", "");
  struct stat st = *stat("f");
  std::shared_ptr<layer::StreamedFile> file = follower_->streamed("f", st);
  for (const char* part : {"one", "two"}) {
    auto text = std::make_shared<std::string>(part);
    file->add(base::as_bytes(*text), text);
  }
  follower_->entry("g");
  EXPECT_EQ(foretold(), written());
}

TEST_F(Follower, HasNoAnswerForAFileOfWhichMoreIsHandedToIt) {
  dir_.write("tree/f", "one");
  std::shared_ptr<layer::StreamedFile> file = follower_->streamed("f", *stat("f"));
  for (int i = 0; i < 3; ++i) file->add(base::as_bytes("one"), nullptr);
  EXPECT_FALSE(foretold());
}

TEST_F(Follower, NobodyWaitsToHandAFileToOneThatGaveUp) {
  make_file(".wh.f", "");
  dir_.write("tree/f", "one");
  std::shared_ptr<layer::StreamedFile> file = follower_->streamed("f", *stat("f"));
  for (int i = 0; i < 100; ++i) file->add(base::as_bytes("one"), nullptr);
  follower_->abandon();
  for (int i = 0; i < 100; ++i) file->add(base::as_bytes("one"), nullptr);
  EXPECT_FALSE(foretold());
}

TEST_F(Follower, HasNoAnswerForAnotherOrder) {
  make_file("b", "");
  make_file("a", "");
  EXPECT_FALSE(foretold());
}

TEST_F(Follower, HasNoAnswerForAFileBelowADirectoryItWasNotToldOf) {
  std::filesystem::create_directory(dir_ / "tree/d");
  make_file("d/f", "");
  EXPECT_FALSE(foretold());
}

TEST_F(Follower, HasNoAnswerForAFileThatDidNotGrowAsAnnounced) {
  dir_.write("tree/f", "one");
  struct stat st = *stat("f");
  st.st_size = 6;
  follower_->growing("f", st)->add(3);
  EXPECT_FALSE(foretold());
}

TEST_F(Follower, HasNoAnswerForWhatALayerCannotHold) {
  make_file(".wh.f", "");
  EXPECT_FALSE(foretold());
}

TEST_F(Follower, NobodyWaitsForOneThatGaveUp) {
  make_file(".wh.f", "");
  for (int i = 100000; i < 140000; ++i) follower_->entry(std::to_string(i));
  EXPECT_FALSE(foretold());
}

TEST_F(Follower, IsLeftInTheMiddle) {
  dir_.write("tree/f", "");
  struct stat st = *stat("f");
  st.st_size = 6;
  follower_->growing("f", st);
  follower_.reset();
}

}  // namespace
