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

}  // namespace
