#include "store/layer/contents.h"

#include "tests/store/layer/tree_fixture.h"

namespace {

using namespace tarbytes;

class Contents : public TreeTest {
 protected:
  /// "BYTES HIDDEN path[!]..." for each layer, the lowest first.
  std::string measured(size_t largest = 10) const {
    std::vector<sys::Root> trees;
    trees.push_back(lower());
    trees.push_back(tree());
    std::string text;
    for (const layer::LayerContents& each : layer::measure_layers(trees, largest)) {
      text += std::to_string(each.file_bytes) + " " + std::to_string(each.hidden_bytes);
      for (const layer::SizedFile& file : each.largest)
        text += " " + file.path + (file.hidden ? "!" : "");
      text += "\n";
    }
    return text;
  }
};

TEST_F(Contents, FilesThatLaterLayersReplaceOrRemoveAreHidden) {
  extract_over(directory("d") + file("d/gone", "12345") + file("d/kept", "123") +
                   file("d/replaced", "1234") + end(),
               directory("d") + file("d/.wh.gone", "") + file("d/replaced", "1") + end());
  EXPECT_EQ(measured(), "12 9 /d/gone! /d/replaced! /d/kept\n1 0 /d/replaced\n");
}

TEST_F(Contents, WhatLiesBelowARemovedOrOpaqueDirectoryIsHidden) {
  extract_over(directory("a") + file("a/x", "12") + directory("b") + file("b/y", "123") +
                   file("b2", "1") + end(),
               file(".wh.a", "") + directory("b") + file("b/.wh..wh..opq", "") + end());
  EXPECT_EQ(measured(), "6 5 /b/y! /a/x! /b2\n0 0\n");
}

TEST_F(Contents, AFileInPlaceOfADirectoryAndTheOtherWayRound) {
  extract_over(directory("a") + file("a/x", "12") + file("b", "123") + end(),
               file("a", "1") + directory("b") + end());
  EXPECT_EQ(measured(), "5 5 /b! /a/x!\n1 0 /a\n");
}

TEST_F(Contents, HardLinksCountOnceAndAreHiddenOnlyTogether) {
  extract_over(file("one", "12345") + hardlink("two", "one") + end(), file(".wh.one", "") + end());
  EXPECT_EQ(measured(), "5 0 /one\n0 0\n");
}

TEST_F(Contents, OnlyTheLargestAreKept) {
  extract_over(file("a", "1") + file("b", "123") + file("c", "12") + end(), file("d", "1") + end());
  EXPECT_EQ(measured(2), "6 0 /b /c\n1 0 /d\n");
}

TEST_F(Contents, ChangesAreDescribedWithWhatWasAndWhatIs) {
  extract_over(directory("d") + file("d/gone", "12345") + file("e", "12") + end(),
               file(".wh.d", "") + file("e", "123") + file("f", "1") + end());
  sys::Root below = lower();
  std::string text;
  for (const layer::DescribedChange& each :
       layer::describe_changes(layer::list_changes(tree(), &below), &below, tree())) {
    text += std::string(1, each.change.kind) + " " + each.change.path;
    for (const auto& state : {each.before, each.after})
      text += state ? std::string(" ") + state->type + std::to_string(state->size_bytes) : " -";
    text += "\n";
  }
  EXPECT_EQ(text, "D /d d5 -\nC /e f2 f3\nA /f - f1\n");
}

}  // namespace
