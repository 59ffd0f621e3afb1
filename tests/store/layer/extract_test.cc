#include "store/layer/extract.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "tests/store/layer/tree_fixture.h"

namespace {

using base::Code;
using namespace tarbytes;

using Extract = TreeTest;

TEST_F(Extract, MakesEveryKindOfMember) {
  std::string tar =
      member({.name = "f", .mode = 04755, .uid = 5, .gid = 7, .mtime = 1000}, "hello") +
      block({.name = "d", .type = '5', .mode = 01777, .uid = 12, .gid = 34, .mtime = 99}) +
      soft_link("d/l", "../f") + hardlink("h", "f") +
      block({.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3}) +
      block({.name = "p", .type = '6', .mode = 0600}) + end();
  layer::ExtractResult result = extract(tar);
  EXPECT_EQ(result.entries, 6u);
  EXPECT_EQ(result.content_bytes, 5u);
  EXPECT_EQ(result.disk_bytes, 2u * 4096);  // f and d
  EXPECT_FALSE(result.depends_on_lower);
  EXPECT_EQ(content("f"), "hello");
  EXPECT_EQ(stat("f")->st_ino, stat("h")->st_ino);
  EXPECT_EQ(mode("d"), 01777u);
  EXPECT_EQ(stat("d")->st_uid, 12u);
  EXPECT_EQ(stat("d")->st_mtim.tv_sec, 99);
  EXPECT_EQ(stat("null")->st_rdev, makedev(1, 3));
  EXPECT_EQ(mode("null"), 0666u);
  EXPECT_TRUE(S_ISFIFO(stat("p")->st_mode));
}

TEST_F(Extract, SetuidSurvivesOwnerAndContent) {
  extract(member({.name = "su", .mode = 04755, .uid = 0, .gid = 7}, "x") +
          member({.name = "sg", .mode = 02755, .uid = 7, .gid = 7, .mtime = 5}, "x") + end());
  EXPECT_EQ(mode("su"), 04755u);
  EXPECT_EQ(mode("sg"), 02755u);
  EXPECT_EQ(stat("sg")->st_mtim.tv_sec, 5);
}

TEST_F(Extract, CapabilitiesSurviveOwnerAndSecondNames) {
  std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  extract(pax({{"SCHILY.xattr.security.capability", capability}}) +
          member({.name = "cap", .mode = 0755, .uid = 5, .gid = 5}, "x") +
          block({.name = "link", .type = '1', .mode = 0755, .uid = 5, .gid = 5, .link = "cap"}) +
          end());
  EXPECT_EQ(xattr("cap", "security.capability"), capability);
}

TEST_F(Extract, DirectoriesKeepTheirModesAndTimesDespiteChildren) {
  extract(directory("z", 0) + file("z/a") + directory("ro", 0555) + file("ro/b") +
          block({.name = "t", .type = '5', .mode = 0755, .mtime = 1000000000}) +
          member({.name = "t/x", .mtime = 5}, "") + end());
  EXPECT_EQ(mode("z"), 0u);
  EXPECT_EQ(mode("ro"), 0555u);
  EXPECT_EQ(stat("t")->st_mtim.tv_sec, 1000000000);
  EXPECT_EQ(stat("t/x")->st_mtim.tv_sec, 5);
}

TEST_F(Extract, TheRootEntryIsTheRoot) {
  EXPECT_TRUE(
      extract(block({.name = "./", .type = '5', .mode = 0711, .uid = 3}) + end()).root_entry);
  EXPECT_EQ(mode("/"), 0711u);
  EXPECT_EQ(stat("/")->st_uid, 3u);
  EXPECT_EQ(refusal(soft_link("./", "/tmp")), Code::kInvalid);
  EXPECT_EQ(refusal(file(".")), Code::kInvalid);
  EXPECT_EQ(refusal(hardlink("/", "x")), Code::kInvalid);
  EXPECT_EQ(refusal(file("f")), std::nullopt);
  EXPECT_EQ(mode("/"), 0755u);
}

TEST_F(Extract, NamesAreBytes) {
  extract(file("\xff\xfe\x80", "n") + file("a\nb", "1") + file(" lead trail ", "2") +
          pax({{"path", "dir/\xe9\xff"}}) + file("x", "3") + end());
  EXPECT_EQ(content("\xff\xfe\x80"), "n");
  EXPECT_EQ(content("a\nb"), "1");
  EXPECT_EQ(content(" lead trail "), "2");
  EXPECT_EQ(content("dir/\xe9\xff"), "3");
}

TEST_F(Extract, AbsoluteNamesAndInnerDotDotStayInside) {
  extract(directory("/abs") + file("/abs/f", "1") + directory("a") + file("a/../b", "2") +
          file("./c//d/./e", "3") + end());
  EXPECT_EQ(content("abs/f"), "1");
  EXPECT_EQ(content("b"), "2");
  EXPECT_EQ(content("c/d/e"), "3");
}

TEST_F(Extract, TheLastEntryForANameWins) {
  extract(file("f", "1") + file("f", "22") + directory("d") + file("d/x") + file("d", "file") +
          file("e") + directory("e") + file("e/y", "y") + soft_link("s", "/etc") +
          file("s", "own") + end());
  EXPECT_EQ(content("f"), "22");
  EXPECT_EQ(content("d"), "file");
  EXPECT_EQ(content("e/y"), "y");
  EXPECT_EQ(content("s"), "own");
}

TEST_F(Extract, MissingParentsAreMade) {
  layer::ExtractResult result = extract(member({.name = "p/q/r", .uid = 9}, "r") + end());
  EXPECT_EQ(content("p/q/r"), "r");
  EXPECT_EQ(mode("p/q"), 0755u);
  EXPECT_EQ(stat("p")->st_uid, 0u);
  EXPECT_EQ(stat("p")->st_mtim.tv_sec, 0);
  EXPECT_EQ(result.implied_directories, 2u);
  EXPECT_TRUE(result.depends_on_lower);
}

TEST_F(Extract, MissingParentsAreAsInTheLowerLayer) {
  layer::ExtractResult result = extract_over(
      block({.name = "p", .type = '5', .mode = 01777, .uid = 12, .gid = 34, .mtime = 77}) +
          soft_link("lnk", "/p") + end(),
      file("p/q", "q") + file("lnk/r", "r") + file("new/s") + end());
  EXPECT_TRUE(result.depends_on_lower);
  EXPECT_EQ(mode("p"), 01777u);
  EXPECT_EQ(stat("p")->st_uid, 12u);
  EXPECT_EQ(stat("p")->st_mtim.tv_sec, 77);
  EXPECT_EQ(content("p/r"), "r");
  EXPECT_FALSE(stat("lnk"));
  EXPECT_EQ(mode("new"), 0755u);
}

TEST_F(Extract, LowerLayersAreAskedOnlyWhenNeeded) {
  layer::ExtractOptions options;
  options.lower = [&]() -> const sys::Root* {
    ADD_FAILURE() << "asked";
    return nullptr;
  };
  extract(directory("d") + file("d/f") + hardlink("d/g", "d/f") + file("d/.wh.x", "") +
              file("d/.wh..wh..opq", "") + end(),
          options);
}

TEST_F(Extract, HiddenLowerDirectoriesAreNotConsulted) {
  std::string below =
      directory("d", 0700) + directory("d/sub", 0711) + soft_link("l", "/etc") + end();
  extract_over(below, directory("d") + file("d/.wh..wh..opq", "") + file("d/sub/x") +
                          directory("l") + file("l/sub/y") + end());
  EXPECT_EQ(mode("d/sub"), 0755u);
  EXPECT_EQ(mode("l/sub"), 0755u);
}

TEST_F(Extract, WhiteoutsBecomeDevices) {
  extract(directory("d") + file("d/.wh.gone", "") + file(".wh.top", "") + end());
  EXPECT_TRUE(is_whiteout("d/gone"));
  EXPECT_TRUE(is_whiteout("top"));
  EXPECT_FALSE(stat(".wh.top"));
}

TEST_F(Extract, WhiteoutsHideLowerLayersOnly) {
  extract(file("f", "new") + file(".wh.f", "") + file(".wh.g", "") + file("g", "new") +
          directory("d") + file("d/x", "x") + file(".wh.d", "") + file(".wh.e", "") +
          directory("e") + file("e/y", "y") + directory("o") + file("o/new") +
          file("o/.wh..wh..opq", "") + end());
  EXPECT_EQ(content("f"), "new");
  EXPECT_EQ(content("g"), "new");
  EXPECT_EQ(content("d/x"), "x");
  EXPECT_TRUE(is_opaque("d"));
  EXPECT_EQ(content("e/y"), "y");
  EXPECT_TRUE(is_opaque("e"));
  EXPECT_TRUE(is_opaque("o"));
  EXPECT_TRUE(stat("o/new"));
}

TEST_F(Extract, OpaqueRootIsReported) {
  EXPECT_TRUE(extract(file("old") + file(".wh..wh..opq", "") + end()).opaque_root);
  EXPECT_TRUE(is_opaque("/"));
  EXPECT_TRUE(stat("old"));
}

TEST_F(Extract, ADirectoryThatReplacesAFileHidesTheLowerDirectory) {
  extract(file("x") + directory("x") + file("x/y") + end());
  EXPECT_TRUE(is_opaque("x"));
}

TEST_F(Extract, StrangeWhiteoutsAreRefused) {
  for (const char* name :
       {".wh.", ".wh..", ".wh...", "d/.wh...", ".wh..wh.aufs", ".wh..wh.plnk/f", ".wh.dir/f"})
    EXPECT_EQ(refusal(file(name, "")), Code::kInvalid) << name;
  EXPECT_EQ(refusal(file("sub/..wh.notwhiteout")), std::nullopt);
  EXPECT_EQ(refusal(file("a.wh.b/c")), std::nullopt);
}

TEST_F(Extract, HardLinksToLowerFilesCopyThemUp) {
  layer::ExtractResult result = extract_over(
      directory("d", 0711) + pax({{"SCHILY.xattr.user.note", "kept"}}) +
          member({.name = "d/low", .mode = 0640, .uid = 3, .mtime = 44}, "low") + end(),
      block({.name = "up", .type = '1', .mode = 0640, .uid = 3, .mtime = 44, .link = "d/low"}) +
          end());
  EXPECT_TRUE(result.depends_on_lower);
  EXPECT_EQ(content("up"), "low");
  EXPECT_EQ(stat("up")->st_ino, stat("d/low")->st_ino);
  EXPECT_EQ(stat("up")->st_uid, 3u);
  EXPECT_EQ(stat("up")->st_mtim.tv_sec, 44);
  EXPECT_EQ(mode("d"), 0711u);
  EXPECT_EQ(xattr("up", "user.note"), "kept");
}

TEST_F(Extract, HardLinksCannotReachWhatTheLayerRemoved) {
  EXPECT_THROW(extract_over(file("low") + end(), file(".wh.low", "") + hardlink("up", "low")),
               base::Error);
}

TEST_F(Extract, ImpossibleHardLinksAreRefused) {
  EXPECT_EQ(refusal(hardlink("h", "nope")), Code::kInvalid);
  EXPECT_EQ(refusal(directory("d") + hardlink("h", "d")), Code::kInvalid);
  EXPECT_EQ(refusal(hardlink("h", "h")), Code::kInvalid);
  EXPECT_EQ(refusal(file("h") + hardlink("h", "h")), Code::kInvalid);
  EXPECT_EQ(refusal(hardlink("h", "/")), Code::kInvalid);
  EXPECT_EQ(refusal(hardlink("h", "")), Code::kInvalid);
  EXPECT_EQ(refusal(directory("d") + file("d/f") + hardlink("d", "d/f")), Code::kInvalid);
  EXPECT_EQ(refusal(file("f") + directory("d") + file("d/x") + hardlink("d", "f")), std::nullopt);
}

TEST_F(Extract, OverlayAndTorteAttributesAreLeftOut) {
  Records records;
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.redirect", "user.torte.device"})
    records.emplace_back(std::string("SCHILY.xattr.") + name, "y");
  records.emplace_back("SCHILY.xattr.user.kept", "v");
  layer::ExtractResult result = extract(pax(records) + directory("d") + pax(records) + file("f"));
  EXPECT_EQ(result.dropped_xattrs, 6u);
  EXPECT_EQ(xattr("d", "trusted.overlay.opaque"), "(absent)");
  EXPECT_EQ(xattr("f", "user.torte.device"), "(absent)");
  EXPECT_EQ(xattr("d", "user.kept"), "v");
  EXPECT_EQ(xattr("f", "user.kept"), "v");
}

TEST_F(Extract, UserXattrFormUsesTheOtherName) {
  layer::ExtractOptions options;
  options.user_xattr = true;
  extract(directory("d") + file("d/.wh..wh..opq", ""), options);
  EXPECT_EQ(xattr("d", "user.overlay.opaque"), "y");
  EXPECT_FALSE(is_opaque("d"));
}

TEST_F(Extract, LongRunsOfZerosBecomeHoles) {
  std::string sparse(8 << 20, '\0');
  sparse.replace(5 << 20, 4, "data");
  extract(file("sparse", sparse) + file("zero", std::string(1 << 20, '\0')) + end());
  EXPECT_EQ(content("sparse"), sparse);
  EXPECT_LE(stat("sparse")->st_blocks * 512, 256 << 10);
  EXPECT_EQ(stat("zero")->st_size, 1 << 20);
  EXPECT_EQ(stat("zero")->st_blocks, 0);
}

TEST_F(Extract, LongPathsAndNamesWork) {
  std::string deep;
  for (int i = 0; i < 60; ++i) deep += std::string(200, 'p') + "/";
  extract(file(std::string(99, 'n')) + pax({{"path", deep + "f"}}) + file("x", "deep") +
          pax({{"path", deep + "g"}}) + file("x", "deeper") + end());
  base::StringSink out;
  EXPECT_EQ(layer::write_tree(tree(), out).entries, 63u);
  EXPECT_EQ(refusal(pax({{"path", std::string(256, 'n')}}) + file("x")), Code::kInvalid);
  EXPECT_EQ(refusal(pax({{"path", std::string(255, 'n')}}) + file("x")), std::nullopt);
}

TEST_F(Extract, DeepTreesWorkUpToTheLimit) {
  std::string deep;
  for (int i = 0; i < 4000; ++i) deep += "d/";
  extract(pax({{"path", deep + "f"}}) + file("x", "deep") + end());
  base::StringSink out;
  EXPECT_EQ(layer::write_tree(tree(), out).entries, 4001u);
  for (int i = 0; i < 97; ++i) deep += "d/";
  EXPECT_EQ(refusal(pax({{"path", deep + "f"}}) + file("x")), Code::kInvalid);
}

TEST_F(Extract, ManyDirectoriesAreForgottenAndFoundAgain) {
  // More than are remembered, visited twice.
  layer::ExtractOptions options;
  options.limits.directories_in_memory = 10;
  std::string tar;
  constexpr int kCount = 500;
  for (int i = 0; i < kCount; ++i)
    tar += block({.name = "d" + std::to_string(i),
                  .type = '5',
                  .mode = i % 2 ? 0 : 0750,
                  .mtime = 1000 + i});
  for (int i = 0; i < kCount; i += 71) tar += file("d" + std::to_string(i) + "/f");
  extract(tar + end(), options);
  for (int i = 0; i < kCount; i += 71) {
    std::string name = "d" + std::to_string(i);
    EXPECT_EQ(stat(name)->st_mtim.tv_sec, 1000 + i);
    EXPECT_EQ(mode(name), i % 2 ? 0u : 0750u);
  }
}

TEST_F(Extract, StopsWhenAskedOrWhenSpaceRunsOut) {
  std::stop_source stop;
  stop.request_stop();
  layer::ExtractOptions options;
  options.stop = stop.get_token();
  EXPECT_EQ(refusal(file("f"), options), Code::kCancelled);
  options = {};
  options.keep_free_bytes = UINT64_MAX;
  EXPECT_EQ(refusal(file("f", std::string(65 << 20, 'x')), options), Code::kSystem);
  options = {};
  options.limits.unpacked_bytes = 1000;
  EXPECT_EQ(refusal(file("f", std::string(1001, 'x')), options), Code::kInvalid);
}

TEST_F(Extract, ReadsItsSourceToTheEnd) {
  std::string tar = file("f") + end() + "whatever follows belongs to the digest";
  base::MemorySource source(base::as_bytes(tar));
  layer::extract(source, tree());
  std::byte byte;
  EXPECT_EQ(source.read({&byte, 1}), 0u);
}

}  // namespace
