#include <zlib.h>

#include "store/layer/compression.h"
#include "tests/store/layer/tree_fixture.h"

namespace {

using base::Code;
using namespace tarbytes;

class ExtractArchive : public TreeTest {
 protected:
  layer::ExtractResult add(const std::string& bytes, layer::ArchiveOptions options = {}) {
    base::MemorySource source(base::as_bytes(bytes));
    return layer::extract_archive(source, tree(), options);
  }
  std::optional<Code> add_refusal(const std::string& bytes) {
    try {
      add(bytes);
    } catch (const base::Error& e) {
      return e.code();
    }
    return std::nullopt;
  }
};

TEST_F(ExtractArchive, MergesWithWhatIsThere) {
  dir_.write("tree/d/old", "old");
  dir_.write("tree/f", "old");
  std::filesystem::create_symlink("d", dir_ / "tree/l");
  add(block({.name = "d", .type = '5', .mode = 0711, .uid = 4, .mtime = 50}) +
      file("d/new", "new") + file("f", "new") + file("l/through", "x") + end());
  EXPECT_EQ(content("d/old"), "old");
  EXPECT_EQ(content("d/new"), "new");
  EXPECT_EQ(content("f"), "new");
  EXPECT_EQ(content("d/through"), "x");
  EXPECT_EQ(mode("d"), 0711u);
  EXPECT_EQ(stat("d")->st_uid, 4u);
  EXPECT_EQ(stat("d")->st_mtim.tv_sec, 50);
}

TEST_F(ExtractArchive, ReplacesWhatIsNotADirectory) {
  dir_.write("tree/dir/x", "x");
  std::filesystem::create_symlink("dir", dir_ / "tree/l");
  add(directory("l") + file("l/own", "1") + file("dir", "file") + end());
  EXPECT_TRUE(S_ISDIR(stat("l")->st_mode));
  EXPECT_EQ(content("dir"), "file");
}

TEST_F(ExtractArchive, WhiteoutNamesHaveNoMeaning) {
  dir_.write("tree/x", "x");
  add(file(".wh.x", "") + file(".wh..wh..opq", "") + end());
  EXPECT_EQ(content("x"), "x");
  EXPECT_EQ(content(".wh.x"), "");
}

TEST_F(ExtractArchive, OwnersComeFromTheArchiveOrTheOption) {
  std::string tar =
      member({.name = "p/f", .mode = 04755, .uid = 5, .gid = 6}, "") + soft_link("s", "f") + end();
  add(tar);
  EXPECT_EQ(stat("p/f")->st_uid, 5u);
  EXPECT_EQ(stat("p")->st_uid, 0u);
  layer::ArchiveOptions options;
  options.owner = {70, 71};
  add(tar, options);
  EXPECT_EQ(stat("p/f")->st_uid, 70u);
  EXPECT_EQ(stat("s")->st_gid, 71u);
  EXPECT_EQ(mode("p/f"), 04755u);
}

TEST_F(ExtractArchive, OwnersBeyondTheKernelsAreRefusedUnlessOverridden) {
  std::string tar = member({.name = "f", .uid = -1}, "") + end();
  EXPECT_EQ(add_refusal(tar), Code::kInvalid);
  layer::ArchiveOptions options;
  options.owner = {1, 1};
  add(tar, options);
  EXPECT_EQ(stat("f")->st_uid, 1u);
}

TEST_F(ExtractArchive, TheDestinationKeepsItsMetadata) {
  ASSERT_EQ(::chmod((dir_ / "tree").c_str(), 0750), 0);
  add(block({.name = "./", .type = '5', .mode = 0700, .uid = 3}) + file("", "nothing") +
      file("./f", "f") + end());
  EXPECT_EQ(mode("/"), 0750u);
  EXPECT_EQ(content("f"), "f");
  add(block({.name = "/", .type = '5', .mode = 0711}) + end());
  EXPECT_EQ(mode("/"), 0711u);
}

TEST_F(ExtractArchive, PathsCannotLeaveTheDestination) {
  dir_.write("outside", "safe");
  std::filesystem::create_symlink("..", dir_ / "tree/up");
  std::filesystem::create_symlink(dir_.path(), dir_ / "tree/abs");
  add(file("../outside", "evil") + file("up/outside2", "evil") + file("abs/outside", "evil"));
  std::string kept;
  EXPECT_EQ(sys::Root::open(dir_.path()).read_file(sys::RootedPath("outside"), 100), "safe");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "outside2"));
  EXPECT_EQ(content("outside"), "evil");
  EXPECT_EQ(content("outside2"), "evil");
  EXPECT_EQ(add_refusal(hardlink("h", "../outside_only")), Code::kInvalid);
}

TEST_F(ExtractArchive, TakesCompressedArchives) {
  base::StringSink out;
  auto gzip = layer::gzip_sink(out, 1);
  gzip->write(base::as_bytes(file("f", "packed") + end()));
  gzip->finish();
  add(out.text());
  EXPECT_EQ(content("f"), "packed");
}

TEST_F(ExtractArchive, LooksAtNothingBehindTheEnd) {
  EXPECT_EQ(add_refusal(file("f") + end() + "rubbish"), std::nullopt);
}

TEST_F(ExtractArchive, TypesTheReferenceRefusesAreRefused) {
  for (char type : {'S', '7', 'D', 'V', 'Z'})
    EXPECT_EQ(add_refusal(member({.name = "z", .type = type}, "") + end()), Code::kUnsupported)
        << type;
}

TEST_F(ExtractArchive, SparseMembersKeepTheirHoles) {
  add(pax({{"GNU.sparse.major", "0"},
           {"GNU.sparse.minor", "1"},
           {"GNU.sparse.size", "1099511627776"},
           {"GNU.sparse.numblocks", "1"},
           {"GNU.sparse.map", "4096,4"}}) +
      file("f", "data") + end());
  EXPECT_EQ(stat("f")->st_size, 1099511627776);
  EXPECT_LE(stat("f")->st_blocks * 512, 64 << 10);
}

TEST_F(ExtractArchive, TimesBeyondTheReferencesBecome1970) {
  add(member({.name = "a", .mtime = -5}, "") +
      member({.name = "b", .mtime = int64_t{1} << 42}, "") +
      member({.name = "c", .mtime = 77}, "") + end());
  EXPECT_EQ(stat("a")->st_mtim.tv_sec, 0);
  EXPECT_EQ(stat("b")->st_mtim.tv_sec, 0);
  EXPECT_EQ(stat("c")->st_mtim.tv_sec, 77);
}

}  // namespace
