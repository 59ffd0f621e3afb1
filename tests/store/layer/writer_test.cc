#include "store/layer/writer.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/sys/process.h"
#include "store/layer/tar_reader.h"
#include "tests/store/layer/tree_fixture.h"

namespace {

using namespace tarbytes;

class Writer : public TreeTest {
 protected:
  std::vector<std::string> names(const std::string& tar) const {
    base::MemorySource source(base::as_bytes(tar));
    layer::TarReader reader(source, {}, layer::Strictness::kImage);
    std::vector<std::string> list;
    layer::Entry entry;
    while (reader.next(entry)) list.push_back(entry.path);
    return list;
  }
};

TEST_F(Writer, GivesBackTheLayerThatWasUnpacked) {
  std::string tar =
      block({.name = "d/", .type = '5', .mode = 01777, .uid = 1, .mtime = 10}) +
      member({.name = "d/.wh..wh..opq", .mode = 0}, "") +
      member({.name = "d/f", .mode = 0644, .uid = 5, .gid = 6, .mtime = 1000}, "hello") +
      member({.name = "d/.wh.gone", .mode = 0}, "") +
      block({.name = "d/h",
             .type = '1',
             .mode = 0644,
             .uid = 5,
             .gid = 6,
             .mtime = 1000,
             .link = "d/f"}) +
      block({.name = "d/l", .type = '2', .mode = 0777, .mtime = 7, .link = "../x"}) +
      block({.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3}) +
      block({.name = "p", .type = '6', .mode = 0600}) + end();
  extract(tar);
  EXPECT_TRUE(write() == tar);
}

TEST_F(Writer, IsAFunctionOfTheTreeAlone) {
  std::string one = directory("b") + file("b/2", "2") + file("a") + file("b/1", "1") + end();
  std::string two = file("a") + directory("b") + file("b/1", "1") + file("b/2", "2") + end();
  std::filesystem::create_directory(dir_ / "tree2");
  extract_into("tree", one);
  extract_into("tree2", two);
  EXPECT_TRUE(write("tree") == write("tree2"));
  EXPECT_EQ(names(write()), (std::vector<std::string>{"a", "b/", "b/1", "b/2"}));
}

TEST_F(Writer, AttributesAndBigNumbersComeBack) {
  std::string tar = pax({{"SCHILY.xattr.user.a", "v"}, {"SCHILY.xattr.user.b", ""}}) +
                    member({.name = "f"}, "x") + pax({{"uid", "4294967294"}, {"mtime", "-5"}}) +
                    file("g") + end();
  extract(tar);
  std::string first = write();
  std::filesystem::create_directory(dir_ / "again");
  extract_into("again", first);
  EXPECT_TRUE(write("again") == first);
  EXPECT_NE(first.find("SCHILY.xattr.user.a=v\n"), std::string::npos);
  EXPECT_NE(first.find("uid=4294967294\n"), std::string::npos);
}

TEST_F(Writer, LeavesOutWhatLayersCannotHold) {
  extract(file("f") + end());
  sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string path = dir_ / "tree/socket";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address), 0);
  dir_.write("tree/.wh.fake", "");
  base::StringSink out;
  layer::WriteResult result = layer::write_tree(tree(), out);
  EXPECT_EQ(result.skipped, (std::vector<std::string>{".wh.fake", "socket"}));
  EXPECT_EQ(names(out.text()), (std::vector<std::string>{"f"}));
}

TEST_F(Writer, HolesAreCountedBeforeTheyAreRead) {
  dir_.write("tree/a", "");
  dir_.write("tree/b", "");
  constexpr uint64_t kTera = uint64_t{1} << 40;
  std::filesystem::resize_file(dir_ / "tree/b", 3 * kTera);
  base::CountingSink nowhere;
  try {
    layer::write_tree(sys::Root::open(dir_ / "tree"), nowhere,
                      {.clamp_mtime = {}, .stop = {}, .hole_bytes = kTera});
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.id(), "layer-holes");
    EXPECT_NE(std::string(e.what()).find("/b"), std::string::npos);
  }
  // Nothing is said of a file that is there.
  std::filesystem::resize_file(dir_ / "tree/b", 1 << 20);
  EXPECT_NO_THROW(layer::write_tree(sys::Root::open(dir_ / "tree"), nowhere,
                                    {.clamp_mtime = {}, .stop = {}, .hole_bytes = 1 << 20}));
}

TEST_F(Writer, RootEntryOnlyWhenItSaysSomething) {
  extract(file("f") + end());
  EXPECT_EQ(names(write()), (std::vector<std::string>{"f"}));
  ASSERT_EQ(::chmod((dir_ / "tree").c_str(), 0555), 0);
  EXPECT_EQ(names(write()), (std::vector<std::string>{"./", "f"}));
}

TEST_F(Writer, TimesAreWholeSecondsAndCanBeClamped) {
  extract(pax({{"mtime", "1000.75"}}) + file("f") + member({.name = "g", .mtime = 5}, "") + end());
  EXPECT_EQ(stat("f")->st_mtim.tv_nsec, 750'000'000);
  EXPECT_EQ(write(), member({.name = "f", .mtime = 1000}, "x\n") +
                         member({.name = "g", .mtime = 5}, "") + end());
  EXPECT_EQ(write("tree", {.clamp_mtime = 100}), member({.name = "f", .mtime = 100}, "x\n") +
                                                     member({.name = "g", .mtime = 5}, "") + end());
}

TEST_F(Writer, LargeAndOddSizesAreWhole) {
  std::string tar;
  for (size_t size : {0u, 1u, 511u, 512u, 513u, (1u << 20) - 512, (1u << 20) - 511, 3'000'001u})
    tar += file("f" + std::to_string(10'000'000 + size), std::string(size, 'c'));
  extract(tar + end());
  EXPECT_EQ(write().size(), (tar + end()).size());
  EXPECT_TRUE(write() == tar + end());
}

TEST_F(Writer, RefusesTreesThatDoNotHoldTheirContent) {
  extract(directory("d") + end());
  sys::UniqueFd fd = tree().open_at(sys::RootedPath("d"), O_RDONLY | O_DIRECTORY);
  sys::set_xattr(fd.get(), "trusted.overlay.redirect", "/other");
  EXPECT_THROW(write(), base::Error);
}

TEST_F(Writer, GnuTarReadsItAndItsArchivesUnpack) {
  std::string archive = dir_ / "a.tar";
  dir_.write("tree/some/file", "content");
  std::filesystem::create_hard_link(dir_ / "tree/some/file", dir_ / "tree/some/link");
  dir_.write("tree/" + std::string(120, 'n') + "/" + std::string(130, 'm'), "long");
  dir_.write("a.tar", write());
  std::string listing;
  ASSERT_EQ(sys::run_program({"tar", "-tf", archive}, &listing).code, 0);
  EXPECT_NE(listing.find("some/link\n"), std::string::npos);
  EXPECT_NE(listing.find(std::string(130, 'm')), std::string::npos);
  for (const char* format : {"gnu", "pax", "posix", "ustar", "v7", "oldgnu"}) {
    std::filesystem::create_directory(dir_ / format);
    std::vector<std::string> command = {
        "tar", "-C", dir_ / "tree", std::string("--format=") + format, "-cf", archive, "some"};
    ASSERT_EQ(sys::run_program(command).code, 0);
    sys::UniqueFd fd(::open(archive.c_str(), O_RDONLY | O_CLOEXEC));
    sys::FdSource source(fd.get(), archive);
    layer::extract(source, sys::Root::open(dir_ / format));
    sys::Root root = sys::Root::open(dir_ / format);
    EXPECT_EQ(root.read_file(sys::RootedPath("some/link"), 100), "content") << format;
    EXPECT_EQ(root.lstat(sys::RootedPath("some/file"))->st_nlink, 2u) << format;
  }
}

}  // namespace
