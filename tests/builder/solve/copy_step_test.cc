#include "builder/solve/copy_step.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "store/layer/writer.h"
#include "tests/support/temp_dir.h"

namespace {

// A COPY into a snapshot above one layer, as the solver does it. Rules are named as in the
// specification of the language, section 7.
class CopyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to change owners";
    store_ = store::Store::open(dir_ / "store", store::Access::kReadWrite);
    std::filesystem::create_directories(dir_ / "context");
    std::filesystem::create_directories(dir_ / "below");
    chmod((dir_ / "below").c_str(), 0755);
  }

  void copy(plan::CopyStep step, bool keep_owner = false) {
    overlay::Stack stack{std::make_shared<overlay::Tree>(dir_ / "below", nullptr)};
    active_.emplace(*store_, stack, "test");
    context::FileTree files(sys::Root::open(dir_ / "context"), nullptr, nullptr);
    auto selections = solve::select(step, files, "the context");
    auto follower = solve::copy_files(step, files, selections, *active_,
                                      {.keep_owner = keep_owner, .is_whole_layer = true});
    foretold_ = follower ? std::move(*follower).finish() : std::nullopt;
    if (!foretold_) return;
    // What was hashed on the way is what the tree gives.
    base::Sha256 hash;
    layer::write_tree(active_->upper(), hash);
    EXPECT_EQ(foretold_->size_bytes, hash.count());
    EXPECT_EQ(std::string(foretold_->diff_id.hex()), hash.finish_hex());
  }
  static plan::CopyStep step(std::vector<std::string> sources, std::string destination) {
    plan::CopyStep step;
    step.sources = std::move(sources);
    step.destination = std::move(destination);
    return step;
  }
  struct stat at(const std::string& path) {
    auto st = active_->merged().lstat(sys::RootedPath(path));
    if (!st) throw std::runtime_error(path + " is missing");
    return *st;
  }
  bool exists(const std::string& path) {
    return active_->merged().lstat(sys::RootedPath(path)).has_value();
  }
  std::string text(const std::string& path) {
    return active_->merged().read_file(sys::RootedPath(path), 1000).value_or("(missing)");
  }

  support::TempDir dir_;
  std::unique_ptr<store::Store> store_;
  std::optional<overlay::Active> active_;
  std::optional<layer::TarDigest> foretold_;
};

TEST_F(CopyTest, C73ADirectorySourceGivesItsContents) {
  dir_.write("context/d/f", "x");
  chown((dir_ / "context/d/f").c_str(), 5, 5);
  chmod((dir_ / "context/d").c_str(), 0700);
  copy(step({"d"}, "/new"));
  EXPECT_EQ(text("/new/f"), "x");
  EXPECT_EQ(at("/new/f").st_uid, 0u);            // owners of a context are dropped
  EXPECT_EQ(at("/new").st_mode & 07777, 0755u);  // not the source's mode
}

TEST_F(CopyTest, C71AnExcludedDirectoryComesBackOnlyWithSomethingInIt) {
  dir_.write("context/a/deep/keep.h", "x");
  dir_.write("context/b/deep/drop.c", "x");
  plan::CopyStep headers = step({"."}, "/");
  headers.excludes = {"*", "!**/*.h"};
  copy(headers);
  EXPECT_TRUE(exists("/a/deep/keep.h"));
  EXPECT_FALSE(exists("/b"));
}

TEST_F(CopyTest, C74ParentsKeepThePathRightOfThePivotWhichMayHaveWildcardsOnBothSides) {
  for (const char* file : {"one/src/in/x.h", "two/src/y.h", "two/z.c"})
    dir_.write(std::string("context/lib/") + file, "x");
  plan::CopyStep headers = step({"lib/*/./src/**/*.h"}, "/out/");
  headers.parents = true;
  copy(headers);
  EXPECT_TRUE(exists("/out/src/in/x.h"));
  EXPECT_TRUE(exists("/out/src/y.h"));
  EXPECT_FALSE(exists("/out/z.c"));
  EXPECT_FALSE(exists("/out/lib"));
}

TEST_F(CopyTest, C74ParentsMakeTheDestinationEvenWhereNothingMatches) {
  dir_.write("context/a/f", "x");
  plan::CopyStep none = step({"a/./b*"}, "/made/");
  none.parents = true;
  copy(none);
  EXPECT_TRUE(exists("/made"));
  EXPECT_FALSE(exists("/made/f"));
}

TEST_F(CopyTest, C74ParentsCopyAMatchedLinkAsALinkAndTellExclusionsFromThePivot) {
  dir_.write("context/p/q/keep", "x");
  dir_.write("context/p/q/drop", "x");
  std::filesystem::create_symlink("q", dir_ / "context/p/link");
  plan::CopyStep kept = step({"p/./*"}, "/");
  kept.parents = true;
  kept.excludes = {"q/drop"};
  copy(kept);
  EXPECT_TRUE(S_ISLNK(at("/link").st_mode));
  EXPECT_TRUE(exists("/q/keep"));
  EXPECT_FALSE(exists("/q/drop"));
}

TEST_F(CopyTest, C74ADirectoryOnTheWayThatWasThereTakesTheModeOfItsSource) {
  dir_.write("context/a/f", "x");
  chmod((dir_ / "context/a").c_str(), 0711);
  std::filesystem::create_directories(dir_ / "below/a");
  plan::CopyStep kept = step({"a/f"}, "/");
  kept.parents = true;
  copy(kept);
  EXPECT_EQ(at("/a").st_mode & 07777, 0711u);
}

// Two trees with the same file in another place are another selection.
TEST_F(CopyTest, C74TheKeptPathIsPartOfWhatIsSelected) {
  auto definition = [&] {
    context::FileTree files(sys::Root::open(dir_ / "context"), nullptr, nullptr);
    plan::CopyStep kept = step({"*/f"}, "/");
    kept.parents = true;
    cache::Definition text("copy");
    solve::define_files(kept, files, solve::select(kept, files, "the context"), false, text);
    return text.text();
  };
  dir_.write("context/one/f", "x");
  std::string before = definition();
  std::filesystem::rename(dir_ / "context/one", dir_ / "context/two");
  EXPECT_NE(before, definition());
}

TEST_F(CopyTest, C75NestedDirectoriesTakeTheSourcesModeAndTheTopKeepsItsOwn) {
  dir_.write("context/d/sub/f", "x");
  chmod((dir_ / "context/d/sub").c_str(), 0711);
  std::filesystem::create_directories(dir_ / "below/top/sub");
  chmod((dir_ / "below/top").c_str(), 0750);
  dir_.write("below/top/sub/kept", "y");
  copy(step({"d"}, "/top"));
  EXPECT_EQ(at("/top").st_mode & 07777, 0750u);
  EXPECT_EQ(at("/top/sub").st_mode & 07777, 0711u);
  EXPECT_EQ(text("/top/sub/kept"), "y");
}

TEST_F(CopyTest, C75AFileGoesIntoADirectoryOrTakesTheName) {
  dir_.write("context/f", "x");
  std::filesystem::create_directories(dir_ / "below/dir");
  copy(step({"f"}, "/dir"));
  EXPECT_EQ(text("/dir/f"), "x");
  copy(step({"f"}, "/name"));
  EXPECT_EQ(text("/name"), "x");
  copy(step({"f"}, "/made/"));
  EXPECT_EQ(text("/made/f"), "x");
}

TEST_F(CopyTest, C75SeveralNamedSourcesDoNotBecomeOneFile) {
  dir_.write("context/f", "x");
  dir_.write("context/g", "y");
  dir_.write("context/d/h", "z");
  std::filesystem::create_directories(dir_ / "below/dir");
  auto named = [](std::vector<std::string> sources, std::string destination) {
    plan::CopyStep several = step(std::move(sources), std::move(destination));
    several.needs_directory = true;
    return several;
  };
  EXPECT_THROW(copy(named({"f", "g"}, "/new")), base::Error);
  plan::CopyStep inline_too = named({"f"}, "/new");
  inline_too.files = {{"EOF", "w"}};
  EXPECT_THROW(copy(inline_too), base::Error);
  copy(named({"f", "g"}, "/dir"));
  EXPECT_EQ(text("/dir/g"), "y");
  inline_too.destination = "/dir";
  copy(inline_too);
  EXPECT_EQ(text("/dir/EOF"), "w");
  copy(named({"d", "f"}, "/new"));  // the first makes it
  EXPECT_EQ(text("/new/h"), "z");
  EXPECT_EQ(text("/new/f"), "x");
}

TEST_F(CopyTest, C76AHeredocNeverLeavesTheDestination) {
  plan::CopyStep file = step({}, "/d/");
  file.files = {{"../../escaped", "x"}};
  copy(file);
  EXPECT_EQ(text("/d/escaped"), "x");
  file.files = {{(dir_ / "below/absolute").string(), "x"}};
  copy(file);
  EXPECT_EQ(text("/d/absolute"), "x");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "below/absolute"));
}

TEST_F(CopyTest, C75TheDestinationHasTheTimeOfTheDirectoryCopiedLast) {
  dir_.write("context/a/f", "x");
  dir_.write("context/b/g", "x");
  dir_.write("context/z", "x");
  std::filesystem::create_directories(dir_ / "below/there");
  for (auto [name, seconds] : {std::pair{"a", 1000}, {"b", 2000}}) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    utimensat(AT_FDCWD, (dir_ / "context" / name).c_str(), times, 0);
  }
  for (const char* destination : {"/new/", "/there/"}) {
    copy(step({"b", "a"}, destination));
    EXPECT_EQ(at(destination).st_mtime, 1000);
    copy(step({"z", "b"}, destination));
    EXPECT_EQ(at(destination).st_mtime, 2000);
    copy(step({"b", "z"}, destination));
    EXPECT_GT(at(destination).st_mtime, 2000);
  }
}

TEST_F(CopyTest, C75AFileGoesIntoTheDirectoryThatAnEarlierMatchMade) {
  dir_.write("context/a1/f", "x");
  dir_.write("context/a2", "y");
  copy(step({"a?"}, "/new"));
  EXPECT_EQ(text("/new/f"), "x");
  EXPECT_EQ(text("/new/a2"), "y");
}

TEST_F(CopyTest, C75LinksOfTheDestinationAreFollowedInsideTheRoot) {
  dir_.write("context/f", "x");
  std::filesystem::create_directories(dir_ / "below/real");
  std::filesystem::create_symlink("/real", dir_ / "below/link");
  std::filesystem::create_symlink("../../../../..", dir_ / "below/up");
  copy(step({"f"}, "/link/"));
  EXPECT_EQ(text("/real/f"), "x");
  copy(step({"f"}, "/up/f"));
  EXPECT_EQ(text("/f"), "x");
}

TEST_F(CopyTest, C75KindsDoNotReplaceEachOtherUnlessLinked) {
  dir_.write("context/f", "x");
  dir_.write("context/d/name/f", "x");
  std::filesystem::create_directories(dir_ / "below/dir/f");
  dir_.write("below/name", "file");
  EXPECT_THROW(copy(step({"f"}, "/dir/")), base::Error);
  EXPECT_THROW(copy(step({"d"}, "/")), base::Error);
}

TEST_F(CopyTest, C75AFileReplacesAFileWithoutWritingThroughLinks) {
  dir_.write("context/f", "new");
  dir_.write("below/target", "old");
  std::filesystem::create_directories(dir_ / "below/d");
  std::filesystem::create_symlink("/target", dir_ / "below/d/f");
  copy(step({"f"}, "/d/"));
  EXPECT_EQ(text("/target"), "old");
  EXPECT_TRUE(S_ISREG(at("/d/f").st_mode));
}

TEST_F(CopyTest, C73HardLinksOfOneSourceStayTogether) {
  dir_.write("context/d/a", "x");
  std::filesystem::create_hard_link(dir_ / "context/d/a", dir_ / "context/d/b");
  copy(step({"d"}, "/d"));
  EXPECT_EQ(at("/d/a").st_ino, at("/d/b").st_ino);
}

TEST_F(CopyTest, C73SpecialFilesAndSetidBitsAndAttributesAreKept) {
  dir_.write("context/d/setid", "x");
  chmod((dir_ / "context/d/setid").c_str(), 04755);
  setxattr((dir_ / "context/d/setid").c_str(), "user.note", "v", 1, 0);
  mkfifo((dir_ / "context/d/fifo").c_str(), 0600);
  std::filesystem::create_symlink("nowhere", dir_ / "context/d/link");
  copy(step({"d"}, "/d"));
  EXPECT_EQ(at("/d/setid").st_mode & 07777, 04755u);
  EXPECT_TRUE(S_ISFIFO(at("/d/fifo").st_mode));
  EXPECT_TRUE(S_ISLNK(at("/d/link").st_mode));
  auto fd = active_->merged().open_at(sys::RootedPath("/d/setid"), O_RDONLY);
  EXPECT_EQ(sys::list_xattrs(fd.get())["user.note"], "v");
}

TEST_F(CopyTest, C75OwnersFollowChownOrTheSource) {
  dir_.write("context/d/f", "x");
  dir_.write("below/etc/passwd", "web:x:33:34::/:/bin/sh\n");
  chown((dir_ / "context/d/f").c_str(), 5, 6);
  plan::CopyStep by_name = step({"d"}, "/new/");
  by_name.chown = "web";
  copy(by_name);
  EXPECT_EQ(at("/new/f").st_uid, 33u);
  EXPECT_EQ(at("/new").st_gid, 34u);
  copy(step({"d"}, "/kept/"), true);
  EXPECT_EQ(at("/kept/f").st_uid, 5u);
  EXPECT_EQ(at("/kept").st_uid, 0u);
}

TEST_F(CopyTest, C71ChmodAppliesToFilesAndDirectories) {
  dir_.write("context/d/f", "x");
  plan::CopyStep with_mode = step({"d"}, "/new/");
  with_mode.chmod = "u=rwX,go=";
  copy(with_mode);
  EXPECT_EQ(at("/new/f").st_mode & 07777, 0600u);
}

TEST_F(CopyTest, C71ExcludedFilesStayBehind) {
  dir_.write("context/d/a.c", "x");
  dir_.write("context/d/a.o", "x");
  dir_.write("context/d/sub/b.o", "x");
  plan::CopyStep without = step({"d"}, "/d");
  without.excludes = {"**/*.o"};
  copy(without);
  EXPECT_TRUE(exists("/d/a.c"));
  EXPECT_FALSE(exists("/d/a.o"));
  EXPECT_FALSE(exists("/d/sub/b.o"));
}

TEST_F(CopyTest, SparseFilesStaySparse) {
  dir_.write("context/sparse", "head");
  ASSERT_EQ(truncate((dir_ / "context/sparse").c_str(), 64 << 20), 0);
  copy(step({"sparse"}, "/sparse"));
  EXPECT_EQ(at("/sparse").st_size, 64 << 20);
  EXPECT_LT(at("/sparse").st_blocks * 512, 1 << 20);
}

TEST_F(CopyTest, AMissingSourceIsNamedAndAWildcardMayMatchNothing) {
  try {
    copy(step({"absent"}, "/x"));
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.id(), "copy-source-missing");
    EXPECT_NE(std::string(e.what()).find("absent"), std::string::npos);
  }
  copy(step({"absent*"}, "/x/"));
  EXPECT_FALSE(exists("/x"));
}

TEST_F(CopyTest, C77ALinkedCopyStandsOnItsOwn) {
  dir_.write("context/f", "x");
  active_.emplace(*store_, overlay::Stack(), "test");
  context::FileTree files(sys::Root::open(dir_ / "context"), nullptr, nullptr);
  plan::CopyStep linked = step({"f"}, "/link/");
  linked.link = true;
  solve::copy_files(linked, files, solve::select(linked, files, "context"), *active_, {});
  struct stat st = *active_->upper().lstat(sys::RootedPath("/link"));
  EXPECT_TRUE(S_ISDIR(st.st_mode));
}

// Everything that a context can hold, names that sort differently as paths and as names among it.
class FollowedCopyTest : public CopyTest {
 protected:
  void SetUp() override {
    CopyTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::path context = dir_ / "context";
    dir_.write("context/a/x", "1");
    dir_.write("context/a.b", "2");
    dir_.write("context/a/deep/er/file", "3");
    dir_.write("context/empty", "");
    dir_.write("context/large", std::string(3 << 20, 'l'));
    dir_.write("context/z", "4");
    std::filesystem::create_directory(context / "nothing");
    std::filesystem::create_symlink("a/x", context / "link");
    std::filesystem::create_hard_link(context / "a/x", context / "y");
    std::filesystem::create_hard_link(context / "large", context / "large.again");
    ASSERT_EQ(mkfifo((context / "pipe").c_str(), 0600), 0);
    ASSERT_EQ(setxattr((context / "z").c_str(), "user.note", "n", 1, 0), 0);
    chmod((context / "a").c_str(), 02750);
    chmod((context / "large").c_str(), 04711);
  }
};

TEST_F(FollowedCopyTest, IsHashedOnTheWayIntoANewDirectory) {
  copy(step({"."}, "/new/place/"));
  EXPECT_TRUE(foretold_);
  EXPECT_EQ(at("/new/place/y").st_ino, at("/new/place/a/x").st_ino);
  EXPECT_EQ(at("/new/place/large").st_mode & 07777, 04711u);
}

TEST_F(FollowedCopyTest, IsHashedOnTheWayIntoADirectoryOfALayerBelow) {
  std::filesystem::create_directories(dir_ / "below/srv/app/a/deep");
  dir_.write("below/srv/app/a.b", "old");
  dir_.write("below/srv/app/a/deep/kept", "kept");
  copy(step({"."}, "/srv/app"));
  EXPECT_TRUE(foretold_);
  EXPECT_EQ(text("/srv/app/a.b"), "2");
  EXPECT_EQ(text("/srv/app/a/deep/kept"), "kept");
  EXPECT_EQ(at("/srv/app/y").st_nlink, 2u);
}

TEST_F(FollowedCopyTest, IsHashedOnTheWayIntoTheRoot) {
  chmod((dir_ / "below").c_str(), 0555);
  copy(step({"."}, "/"));
  EXPECT_TRUE(foretold_);
}

TEST_F(FollowedCopyTest, FilesGivenByNameAreHashedOnTheWayInTheOrderOfTheirNames) {
  copy(step({"a.b", "large", "z"}, "/new/"));
  EXPECT_TRUE(foretold_);
  copy(step({"z", "a.b"}, "/new/"));
  EXPECT_FALSE(foretold_);
  copy(step({"large"}, "/renamed"));
  EXPECT_TRUE(foretold_);
}

TEST_F(FollowedCopyTest, WhatLeavesNothingBehindIsNotForetold) {
  std::filesystem::create_directories(dir_ / "below/there");
  copy(step({"nothing"}, "/there"));
  EXPECT_FALSE(foretold_);
  EXPECT_FALSE(active_->upper().lstat(sys::RootedPath("/there")));
}

}  // namespace
