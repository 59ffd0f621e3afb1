#include "builder/context/file_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/temp_dir.h"

namespace {

using context::FileTree;
using context::Node;
using sys::RootedPath;

std::vector<std::string> names(const std::vector<Node*>& nodes) {
  std::vector<std::string> names;
  for (const Node* node : nodes) names.push_back(node->path().str());
  return names;
}

TEST(FileTree, G5AnIgnoredDirectoryComesBackWithWhatIsReincluded) {
  support::TempDir dir;
  dir.write("a/b", "");
  dir.write("a/c", "");
  dir.write("d/e", "");
  dockerfile::IgnoreMatcher ignore(dockerfile::read_ignore_file("*\n!a/b\n", "ignore"));
  FileTree tree(sys::Root::open(dir.path()), &ignore, nullptr);
  ASSERT_EQ(tree.children(tree.root()).size(), 1u);
  EXPECT_NE(tree.find(RootedPath("a/b"), true), nullptr);
  EXPECT_EQ(tree.find(RootedPath("a/c"), true), nullptr);
  EXPECT_EQ(tree.find(RootedPath("d/e"), true), nullptr);
  const dockerfile::IgnorePattern* rule = tree.hiding_rule(RootedPath("d/e"));
  ASSERT_NE(rule, nullptr);
  EXPECT_EQ(rule->file, "ignore");
  EXPECT_EQ(rule->line, 1);
  EXPECT_EQ(tree.hiding_rule(RootedPath("a/b")), nullptr);
  EXPECT_EQ(tree.hiding_rule(RootedPath("nowhere")), nullptr);
}

TEST(FileTree, NobodyWaitsForDigestsThatAreNotWantedAnyMore) {
  support::TempDir dir;
  dir.write("file", "x");
  FileTree tree(sys::Root::open(dir.path()), nullptr, nullptr);
  std::stop_source stop;
  tree.stop_with(stop.get_token());
  stop.request_stop();
  try {
    tree.digest_all({tree.find(RootedPath("file"), true)});
    ADD_FAILURE() << "was digested";
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::Code::kCancelled);
  }
}

TEST(FileTree, LinksStayInsideAndIgnoredTargetsAreInvisible) {
  support::TempDir dir;
  dir.write("real/file", "x");
  dir.write("hidden", "x");
  std::filesystem::create_symlink("/real", dir / "absolute");
  std::filesystem::create_symlink("../../real/file", dir / "up");
  std::filesystem::create_symlink("hidden", dir / "to_hidden");
  std::filesystem::create_symlink("loop", dir / "loop");
  dockerfile::IgnoreMatcher ignore(dockerfile::read_ignore_file("hidden\n"));
  FileTree tree(sys::Root::open(dir.path()), &ignore, nullptr);
  EXPECT_EQ(tree.find(RootedPath("absolute/file"), true)->path().str(), "/real/file");
  EXPECT_EQ(tree.find(RootedPath("up"), true)->path().str(), "/real/file");
  EXPECT_TRUE(tree.find(RootedPath("up"), false)->is_link());
  EXPECT_EQ(tree.find(RootedPath("to_hidden"), true), nullptr);
  EXPECT_THROW(tree.find(RootedPath("loop"), true), base::Error);
}

TEST(FileTree, C73WildcardsMatchPerComponentInNameOrder) {
  support::TempDir dir;
  for (const char* name : {"b.txt", "a.txt", "sub/c.txt", "sub/x.md"}) dir.write(name, "");
  FileTree tree(sys::Root::open(dir.path()), nullptr, nullptr);
  EXPECT_EQ(names(tree.match("*.txt")), (std::vector<std::string>{"/a.txt", "/b.txt"}));
  EXPECT_EQ(names(tree.match("su?/[c-d].*")), (std::vector<std::string>{"/sub/c.txt"}));
  EXPECT_EQ(names(tree.match("../../a.txt")), (std::vector<std::string>{"/a.txt"}));
  EXPECT_TRUE(tree.match("none*").empty());
}

TEST(FileTree, DigestsComeFromTheIndexUntilTheFileChanges) {
  support::TempDir dir;
  dir.write("file", "one");
  timespec old[2] = {{1000, 0}, {1000, 0}};
  utimensat(AT_FDCWD, (dir / "file").c_str(), old, 0);
  context::DigestIndex index;
  auto digest = [&] {
    FileTree tree(sys::Root::open(dir.path()), nullptr, &index);
    Node* node = tree.find(RootedPath("file"), true);
    tree.digest_all({node});
    return tree.digest(*node);
  };
  auto first = digest();
  EXPECT_EQ(digest(), first);
  dir.write("file", "two");
  EXPECT_NE(digest(), first);
}

TEST(FileTree, AFileThatChangesWhileItIsReadIsAnError) {
  support::TempDir dir;
  dir.write("file", "one");
  FileTree tree(sys::Root::open(dir.path()), nullptr, nullptr);
  Node* node = tree.find(RootedPath("file"), true);
  dir.write("file", "longer");
  EXPECT_THROW(tree.digest_all({node}), base::Error);
  EXPECT_THROW(tree.open(*node, O_RDONLY), base::Error);
}

}  // namespace
