// Layers are unpacked and mounted above each other, and merged from their indexes: both must show
// the same.
#include "overlay/packed_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "overlay/unpack.h"
#include "store/layer/compression.h"
#include "tests/store/layer/tar_bytes.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace tarbytes;

layer::SeekIndex index_of(const std::string& tar) {
  base::MemorySource source(base::as_bytes(tar));
  return layer::build_seek_index(source, oci::Digest::sha256_of(tar), layer::Compression::kNone);
}

char letter(mode_t mode) {
  return S_ISDIR(mode)    ? 'd'
         : S_ISLNK(mode)  ? 'l'
         : S_ISCHR(mode)  ? 'c'
         : S_ISBLK(mode)  ? 'b'
         : S_ISFIFO(mode) ? 'p'
                          : 'f';
}

using Listing = std::map<std::string, std::string>;

std::string line(char type, uint32_t mode, uint32_t uid, uint32_t gid, int64_t mtime, uint64_t size,
                 uint64_t device, const std::string& text,
                 const std::map<std::string, std::string>& xattrs) {
  std::string out = base::str(std::string(1, type), " ", mode, " ", uid, ":", gid, " ", mtime, " ",
                              size, " ", device, " ", text);
  for (const auto& [name, value] : xattrs) out += " " + name + "=" + value;
  return out;
}

class PackedTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to own files as layers say";
    store_ = store::Store::open(dir_ / "store", store::Access::kReadWrite);
  }

  Listing unpacked(const std::vector<std::string>& tars) {
    overlay::Stack stack;
    for (const std::string& tar : tars) {
      base::MemorySource source(base::as_bytes(tar));
      const overlay::Stack below = stack;
      std::function<overlay::Stack()> lower;
      if (!below.empty()) lower = [&] { return below; };
      stack.push_back(overlay::unpack_layer(*store_, source, lower, {}).tree);
    }
    const overlay::View view(*store_, stack);
    Listing listing;
    list(view.root(), "/", listing);
    return listing;
  }

  static void list(const sys::Root& root, const std::string& path, Listing& out) {
    const sys::RootedPath at(path);
    const struct stat st = *root.lstat(at);
    sys::UniqueFd parent = root.open_at(at.is_root() ? at : at.parent(), O_RDONLY | O_DIRECTORY);
    const std::string name = at.is_root() ? "." : path.substr(path.rfind('/') + 1);
    std::string text;
    if (S_ISLNK(st.st_mode)) text = sys::read_link_at(parent.get(), name.c_str());
    if (S_ISREG(st.st_mode)) text = root.read_file(at, 1000).value_or("?");
    sys::Xattrs found = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)
                            ? sys::list_xattrs(root.open_at(at, O_RDONLY).get())
                            : sys::Xattrs();
    std::erase_if(found,
                  [](const auto& each) { return each.first.find("overlay") != std::string::npos; });
    const bool directory = S_ISDIR(st.st_mode);
    out[path] =
        line(letter(st.st_mode), S_ISLNK(st.st_mode) ? 0777 : st.st_mode & 07777, st.st_uid,
             st.st_gid, st.st_mtim.tv_sec, directory ? 0 : static_cast<uint64_t>(st.st_size),
             st.st_rdev, text, {found.begin(), found.end()});
    if (!directory) return;
    sys::UniqueFd fd = root.open_at(at, O_RDONLY | O_DIRECTORY);
    for (const std::string& each : sys::list_names(fd.get()))
      list(root, (path == "/" ? "/" : path + "/") + each, out);
  }

  static overlay::PackedTree merged(const std::vector<std::string>& tars) {
    overlay::PackedTree tree;
    for (const std::string& tar : tars) tree.add_layer(index_of(tar).members);
    tree.finish();
    return tree;
  }

  static void list(const overlay::PackedTree& tree, const std::vector<std::string>& tars,
                   uint32_t id, const std::string& path, Listing& out) {
    static constexpr char kLetters[] = "fdl?cbp";
    const auto& node = tree.node(id);
    const char type = kLetters[static_cast<int>(node.type)];
    std::string text = node.target;
    if (type == 'f') text = tars[node.layer].substr(node.offset, node.size);
    out[path] = line(type, node.mode, node.uid, node.gid, node.mtime.sec, node.size,
                     makedev(node.dev_major, node.dev_minor), text,
                     node.xattrs ? *node.xattrs : std::map<std::string, std::string>());
    for (const auto& name : node.names)
      list(tree, tars, name.node, (path == "/" ? "/" : path + "/") + name.name, out);
  }

  void expect_same(const std::vector<std::string>& tars) {
    Listing packed;
    list(merged(tars), tars, 0, "/", packed);
    EXPECT_EQ(packed, unpacked(tars));
  }
  void expect_both_refuse(const std::vector<std::string>& tars) {
    EXPECT_THROW(unpacked(tars), base::Error);
    EXPECT_THROW(merged(tars), base::Error);
  }

  support::TempDir dir_;
  std::unique_ptr<store::Store> store_;
};

std::string dir_of(const std::string& name, int64_t uid, int64_t mode = 0755) {
  return block({.name = name, .type = '5', .mode = mode, .uid = uid, .mtime = 77});
}
std::string text_of(const std::string& name, const std::string& text, int64_t uid = 3) {
  return member({.name = name, .mode = 0640, .uid = uid, .gid = 4, .mtime = 1000}, text);
}

TEST_F(PackedTreeTest, EveryKindOfMember) {
  expect_same({dir_of("./", 9, 0711) + text_of("./a/b/c", "implied parents") +
               soft_link("l", "a/b") + text_of("l/through", "a link") +
               block({.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3}) +
               block({.name = "p", .type = '6', .mode = 0600}) + hardlink("h", "a/b/c") +
               pax({{"SCHILY.xattr.user.x", "1"}}) + text_of("x", "attributes") +
               pax({{"SCHILY.xattr.user.overlay.opaque", "y"},
                    {"SCHILY.xattr.trusted.overlay.redirect", "/x"}}) +
               dir_of("d", 1) + end()});
}

TEST_F(PackedTreeTest, LaterEntriesOfOneLayerReplaceEarlierOnes) {
  expect_same({text_of("f", "1") + text_of("f", "22") + dir_of("d", 1) + text_of("d/x", "x") +
               text_of("d", "a file now") + text_of("e", "1") + dir_of("e", 2) +
               text_of("e/y", "y") + dir_of("e", 5) + soft_link("s", "f") +
               text_of("s", "no link") + end()});
}

TEST_F(PackedTreeTest, WhiteoutsHideLowerLayersOnly) {
  const std::string below = dir_of("d", 1) + text_of("d/a", "a") + text_of("d/b", "b") +
                            dir_of("d/sub", 2) + text_of("d/sub/c", "c") + text_of("gone", "g") +
                            dir_of("e", 1) + text_of("e/old", "o") + end();
  expect_same({below, text_of("d/.wh.a", "") + text_of(".wh.gone", "") + end()});
  expect_same({below, text_of("d/.wh..wh..opq", "") + text_of("d/new", "n") + end()});
  expect_same({below, text_of("d/new", "n") + text_of("d/sub/new", "n") +
                          text_of("d/.wh..wh..opq", "") + end()});
  expect_same({below, dir_of("d", 6) + text_of("d/new", "n") + text_of(".wh.d", "") + end()});
  expect_same({below, text_of(".wh.d", "") + text_of("d/sub/new", "n") + end()});
  expect_same({below, text_of(".wh..wh..opq", "") + text_of("only", "this") + end()});
  expect_same({below, text_of("d", "a file in place of a directory") +
                          text_of("e/.wh.not-there", "") + end()});
  expect_same(
      {below, text_of("d", "file") + end(), dir_of("d", 8) + text_of("d/back", "x") + end()});
  expect_same({below, text_of("d/sub/.wh.c", "") + end(), text_of("d/sub/c", "again") + end()});
}

TEST_F(PackedTreeTest, DirectoriesThatNoEntryMentionsAreAsBelow) {
  const std::string below = pax({{"SCHILY.xattr.user.k", "v"}}) + dir_of("d", 7, 0700) +
                            text_of("d/a", "a") + soft_link("ln", "d") + text_of("file", "f") +
                            end();
  expect_same({below, text_of("d/new", "n") + end()});
  expect_same({below, text_of("ln/new", "through a link of the layer below") + end()});
  expect_same({below, text_of("file/in", "the file gives way") + end()});
  expect_same({below, dir_of("d", 4) + end(), text_of("d/e/f/g", "deep") + end()});
}

TEST_F(PackedTreeTest, HardLinksIntoLowerLayersCopy) {
  const std::string below =
      text_of("a", "a", 5) + hardlink("a2", "a") + dir_of("d", 1) + text_of("d/x", "x", 6) + end();
  expect_same(
      {below,
       block(
           {.name = "b", .type = '1', .mode = 0600, .uid = 9, .gid = 9, .mtime = 5, .link = "a"}) +
           end()});
  expect_same({below, block({.name = "d/y",
                             .type = '1',
                             .mode = 0640,
                             .uid = 6,
                             .gid = 4,
                             .mtime = 1000,
                             .link = "d/x"}) +
                          end()});
  const overlay::PackedTree tree = merged({below, hardlink("b", "a") + end()});
  EXPECT_EQ(tree.find(0, "b")->node, tree.find(0, "a")->node);
  EXPECT_NE(tree.find(0, "a2")->node, tree.find(0, "a")->node);
}

TEST_F(PackedTreeTest, RefusesWhatUnpackingRefuses) {
  expect_both_refuse({text_of("../x", "") + end()});
  expect_both_refuse({text_of("a/../../x", "") + end()});
  expect_both_refuse({hardlink("h", "missing") + end()});
  expect_both_refuse({dir_of("d", 1) + hardlink("h", "d") + end()});
  expect_both_refuse({text_of("f", "x") + hardlink("f", "f") + end()});
  expect_both_refuse({text_of("f", "x") + text_of("f/below", "x") + end()});
  expect_both_refuse({soft_link("a", "b") + soft_link("b", "a") + text_of("a/x", "x") + end()});
  expect_both_refuse({text_of(".wh.", "") + end()});
  expect_both_refuse({text_of(".wh..wh.plnk", "") + end()});
  expect_both_refuse({text_of(".wh.d/x", "") + end()});
  expect_both_refuse({block({.name = "dev", .type = '3', .major = 0, .minor = 0}) + end()});
  expect_both_refuse({pax({{"path", std::string(256, 'n')}}) + text_of("n", "x") + end()});
  expect_both_refuse({text_of("/", "x") + end()});
  std::string deep;
  for (int i = 0; i < 4097; ++i) deep += "d/";
  expect_both_refuse({pax({{"path", deep + "f"}}) + text_of("f", "x") + end()});
}

TEST_F(PackedTreeTest, OwnersFitTheUserNamespace) {
  overlay::PackedTree single = merged({text_of("f", "x", 1234) + end()});
  single.map_owners({{0, 1000, 1}}, {{0, 1000, 1}});
  EXPECT_EQ(single.node(single.find(0, "f")->node).uid, 0u);
  overlay::PackedTree ranges = merged({text_of("f", "x", 1234) + end()});
  EXPECT_THROW(
      ranges.map_owners({{0, 1000, 1}, {1, 100000, 1000}}, {{0, 1000, 1}, {1, 100000, 1000}}),
      base::Error);
}

}  // namespace
