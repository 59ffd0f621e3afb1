#include "builder/cache/definition.h"

#include <gtest/gtest.h>

namespace {

using cache::Definition;

TEST(Definition, AValueCannotPretendToBeAField) {
  Definition one("run"), two("run");
  one.add("env", "a=1\nuser root");
  two.add("env", "a=1");
  two.add("user", "root");
  EXPECT_NE(one.key(), two.key());
  EXPECT_EQ(one.text(), "torte-step-2 run\nenv a=1\\nuser root\n");
}

TEST(Definition, TheKeyIsOfTheTextAlone) {
  Definition one("run"), two("run");
  one.add("argv", "make");
  two.add("argv", "make");
  EXPECT_EQ(one.key(), two.key());
  two.add("argv", "");
  EXPECT_NE(one.key(), two.key());
}

TEST(Compare, NamesWhatChangedWithOldAndNewValue) {
  Definition before("copy"), after("copy");
  before.add("parent", "p1");
  before.add("env", "A=1");
  before.add("file", "a.txt\tdigest=1");
  before.add("file", "gone\tdigest=1");
  after.add("parent", "p1");
  after.add("env", "A=2");
  after.add("file", "a.txt\tdigest=1");
  after.add("file", "new\tdigest=1");
  auto changes = cache::compare(before.text(), after.text());
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].field, "env A");
  EXPECT_EQ(changes[0].old_value, "A=1");
  EXPECT_EQ(changes[0].new_value, "A=2");
  EXPECT_EQ(changes[1].field, "file new");
  EXPECT_EQ(changes[1].old_value, "");
  EXPECT_EQ(changes[2].field, "file gone");
  EXPECT_EQ(changes[2].new_value, "");
}

TEST(Compare, FindsOneLineAmongMany) {
  Definition before("copy"), after("copy"), shorter("copy");
  for (int i = 0; i < 5; ++i) {
    std::string name = "f" + std::to_string(i);
    before.add("file", name + "\tdigest=1");
    after.add("file", name + (i == 2 ? "\tdigest=21" : "\tdigest=1"));
    if (i != 4) shorter.add("file", name + "\tdigest=1");
  }
  auto changes = cache::compare(before.text(), after.text());
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].field, "file f2");
  EXPECT_EQ(changes[0].old_value, "f2\tdigest=1");
  EXPECT_EQ(changes[0].new_value, "f2\tdigest=21");
  changes = cache::compare(before.text(), shorter.text());
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].field, "file f4");
  EXPECT_TRUE(cache::compare(before.text(), before.text()).empty());
  EXPECT_EQ(cache::compare("", before.text()).size(), 6u);
}

}  // namespace
