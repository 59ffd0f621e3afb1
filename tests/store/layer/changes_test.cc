#include "store/layer/changes.h"

#include "tests/store/layer/tree_fixture.h"

namespace {

using namespace tarbytes;

class Changes : public TreeTest {
 protected:
  std::string changes() const {
    sys::Root below = lower();
    std::string text;
    for (const layer::Change& change : layer::list_changes(tree(), &below))
      text += std::string(1, change.kind) + " " + change.path + "\n";
    return text;
  }
};

TEST_F(Changes, AreNamedByTheirKind) {
  extract_over(directory("etc") + file("etc/a") + file("etc/b") + directory("same") +
                   file("same/x") + directory("gone") + end(),
               directory("etc") + file("etc/a", "new") + file("etc/.wh.b", "") +
                   file("etc/.wh.never", "") + directory("same") + file(".wh.gone", "") +
                   directory("new") + file("new/f") + end());
  EXPECT_EQ(changes(), "C /etc\nC /etc/a\nD /etc/b\nD /gone\nA /new\nA /new/f\n");
}

TEST_F(Changes, OpaqueDirectoriesDeleteTheRest) {
  extract_over(directory("d") + file("d/kept") + file("d/lost") + end(),
               directory("d") + file("d/.wh..wh..opq", "") + file("d/kept") + end());
  EXPECT_EQ(changes(), "C /d\nC /d/kept\nD /d/lost\n");
}

TEST_F(Changes, ADirectoryInPlaceOfAFileHasOnlyNewThings) {
  extract_over(file("x") + soft_link("l", "/") + end(),
               directory("x") + file("x/y") + directory("l") + file("l/x") + end());
  EXPECT_EQ(changes(), "C /l\nA /l/x\nC /x\nA /x/y\n");
}

TEST_F(Changes, WithoutLowerLayersEverythingIsNew) {
  extract(directory("d") + file("d/f") + file(".wh.x", "") + end());
  EXPECT_EQ(layer::list_changes(tree(), nullptr).size(), 2u);
}

std::string compare(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::string text;
  for (const layer::Change& change :
       layer::compare_trees(sys::Root::open(from), sys::Root::open(to)))
    text += std::string(1, change.kind) + " " + change.path + "\n";
  return text;
}

class TreesCompared : public ::testing::Test {
 protected:
  // All files get one time: what differs is said by the test.
  void put(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories((dir_ / path).parent_path());
    std::ofstream(dir_ / path) << text;
    const timespec times[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / path).c_str(), times, 0), 0);
  }
  std::string compared() { return compare(dir_ / "from", dir_ / "to"); }
  support::TempDir dir_;
};

TEST_F(TreesCompared, SayWhatIsNewChangedAndGone) {
  put("from/same/x", "x");
  put("to/same/x", "x");
  put("from/d/gone/y", "y");
  put("from/d/bytes", "old");
  put("to/d/bytes", "new");
  put("to/n/z", "z");
  EXPECT_EQ(compared(), "C /d\nC /d/bytes\nD /d/gone\nA /n\nA /n/z\n");
}

TEST_F(TreesCompared, DoNotLookThroughALinkInPlaceOfADirectory) {
  put("from/x", "x");
  put("to/x", "x");
  std::filesystem::create_symlink("/", dir_ / "from/l");
  put("to/l/x", "x");
  put("from/m/x", "x");
  std::filesystem::create_symlink("/", dir_ / "to/m");
  EXPECT_EQ(compared(), "C /l\nA /l/x\nC /m\n");
}

}  // namespace
