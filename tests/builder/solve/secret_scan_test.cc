#include "builder/solve/secret_scan.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace {

TEST(SecretSearchTest, FindsValuesThatComeInPieces) {
  std::map<std::string, std::string> secrets = {{"token", "hunter2-token\n"}, {"short", "abc"}};
  solve::SecretSearch search(secrets);
  EXPECT_TRUE(search.is_needed());
  search.feed("hun");
  search.feed("ter2");
  search.feed("-tok");
  EXPECT_TRUE(search.found().empty());
  search.feed("en abc");
  EXPECT_EQ(search.found(), std::set<std::string>{"token"});
}

TEST(SecretSearchTest, AStreamThatWasRestartedDoesNotGoOn) {
  std::map<std::string, std::string> secrets = {{"token", "hunter2-token"}};
  solve::SecretSearch search(secrets);
  search.feed("hunter2");
  search.restart();
  search.feed("-token");
  EXPECT_TRUE(search.found().empty());
}

TEST(FindSecretsTest, NamesTheFilesAndFollowsNoLinks) {
  support::TempDir dir;
  dir.write("tree/a/b", "x hunter2-token y");
  dir.write("tree/clean", "nothing");
  dir.write("outside", "hunter2-token");
  std::filesystem::create_symlink(dir / "outside", dir / "tree/link");
  sys::Root tree = sys::Root::open(dir / "tree");
  EXPECT_EQ(solve::find_secrets(tree, {{"id", "hunter2-token\n"}}),
            std::vector<std::string>{"id in /a/b"});
  EXPECT_TRUE(solve::find_secrets(tree, {{"id", "abc"}}).empty());
}

}  // namespace
