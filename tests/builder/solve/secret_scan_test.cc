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

std::string masked(const std::vector<std::string>& pieces,
                   const std::map<std::string, std::string>& secrets) {
  std::string out;
  solve::SecretMask mask(secrets, [&](std::string_view bytes) { out += bytes; });
  for (const std::string& piece : pieces) mask.feed(piece);
  mask.finish();
  return out;
}

TEST(SecretMaskTest, HidesValuesHoweverTheyCome) {
  const std::map<std::string, std::string> secrets = {
      {"token", "hunter2-token\n"}, {"longer", "hunter2-token-2"}, {"short", "abc"}};
  EXPECT_EQ(masked({"a hunter2-token b abc"}, secrets), "a *** b abc");
  EXPECT_EQ(masked({"a hun", "ter2-tok", "en b"}, secrets), "a *** b");
  EXPECT_EQ(masked({"hunter2-tokenhunter2-token\n"}, secrets), "******\n");
  EXPECT_EQ(masked({"hunter2-token-2"}, secrets), "***");
  EXPECT_EQ(masked({"hhunter2-tok"}, secrets), "hhunter2-tok");
  EXPECT_EQ(masked({"hunhunter2-", "token"}, secrets), "hun***");
  EXPECT_EQ(masked({"nothing"}, {}), "nothing");
  std::string one_by_one = "x hunter2-token y";
  std::vector<std::string> pieces;
  for (char c : one_by_one) pieces.emplace_back(1, c);
  EXPECT_EQ(masked(pieces, secrets), "x *** y");
}

TEST(SecretMaskTest, HoldsBackOnlyWhatMayBeASecret) {
  std::string out;
  const std::map<std::string, std::string> secrets = {{"token", "hunter2-token"}};
  solve::SecretMask mask(secrets, [&](std::string_view bytes) { out += bytes; });
  mask.feed("working... h");
  EXPECT_EQ(out, "working... ");
  mask.feed("ere\n");
  EXPECT_EQ(out, "working... here\n");
  EXPECT_TRUE(mask.found().empty());
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
