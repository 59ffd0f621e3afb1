#include "store/layer/tar_reader.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/store/layer/tar_bytes.h"

namespace {

using base::Code;
using layer::Entry;
using layer::EntryType;
using layer::Strictness;
using layer::TarReader;
using namespace tarbytes;

struct Read {
  std::vector<Entry> entries;
  std::vector<std::string> contents;
};

Read read_tar(const std::string& bytes, Strictness strictness = Strictness::kImage,
              const layer::Limits& limits = {}) {
  base::MemorySource source(base::as_bytes(bytes));
  TarReader reader(source, limits, strictness);
  Read read;
  Entry entry;
  while (reader.next(entry)) {
    read.entries.push_back(entry);
    read.contents.push_back(base::read_all(reader.body(), 1 << 20));
  }
  return read;
}

std::optional<Code> failure(const std::string& bytes, Strictness strictness = Strictness::kImage,
                            const layer::Limits& limits = {}) {
  try {
    read_tar(bytes, strictness, limits);
  } catch (const base::Error& e) {
    std::string what = e.what();
    EXPECT_LT(what.size(), 1024u);
    for (char c : what) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << what;
    return e.code();
  }
  return std::nullopt;
}

TEST(TarReader, ReadsTheOrdinaryMembers) {
  Read read = read_tar(
      directory("d/", 01777) + file("d/f", "hello") + soft_link("l", "d/f") + hardlink("h", "d/f") +
      block({.name = "null", .type = '3', .major = 1, .minor = 3}) +
      block({.name = "sda", .type = '4', .major = 8}) + block({.name = "p", .type = '6'}) + end());
  ASSERT_EQ(read.entries.size(), 7u);
  EXPECT_EQ(read.entries[0].type, EntryType::kDirectory);
  EXPECT_EQ(read.entries[0].mode, 01777u);
  EXPECT_EQ(read.contents[1], "hello");
  EXPECT_EQ(read.entries[2].link, "d/f");
  EXPECT_EQ(read.entries[3].type, EntryType::kHardlink);
  EXPECT_EQ(read.entries[4].dev_minor, 3u);
  EXPECT_EQ(read.entries[5].type, EntryType::kBlock);
  EXPECT_EQ(read.entries[6].type, EntryType::kFifo);
}

TEST(TarReader, JoinsPrefixAndName) {
  Read read = read_tar(member({.name = "name", .prefix = "some/prefix"}, "") + end());
  EXPECT_EQ(read.entries[0].path, "some/prefix/name");
}

TEST(TarReader, PaxOverridesAndGnuLongNamesOverrideThat) {
  std::string long_name(300, 'n');
  Read read = read_tar(
      pax({{"path", "pax"}, {"uid", "3000000"}, {"mtime", "1.5"}, {"SCHILY.xattr.user.a", "v"}}) +
      file("short") + gnu_long('L', long_name) + gnu_long('K', "target") + soft_link("s", "t") +
      pax({{"path", "pax"}}) + gnu_long('L', "gnu") + file("short") + end());
  ASSERT_EQ(read.entries.size(), 3u);
  EXPECT_EQ(read.entries[0].path, "pax");
  EXPECT_EQ(read.entries[0].uid, 3000000);
  EXPECT_EQ(read.entries[0].mtime, (layer::TarTime{1, 500'000'000}));
  EXPECT_EQ(read.entries[0].xattrs.at("user.a"), "v");
  EXPECT_EQ(read.entries[1].path, long_name);
  EXPECT_EQ(read.entries[1].link, "target");
  EXPECT_EQ(read.entries[2].path, "gnu");
}

TEST(TarReader, TheLastExtendedHeaderCountsAlone) {
  Read read = read_tar(pax({{"path", "one"}, {"uid", "7"}}) + pax({{"path", "two"}}) + file("x") +
                       file("plain") + end());
  EXPECT_EQ(read.entries[0].path, "two");
  EXPECT_EQ(read.entries[0].uid, 0);
  EXPECT_EQ(read.entries[1].path, "plain");
}

TEST(TarReader, GlobalHeadersAreIgnoredButChecked) {
  Read read = read_tar(pax({{"path", "evil"}, {"comment", "x"}}, 'g') + file("ok") + end());
  EXPECT_EQ(read.entries[0].path, "ok");
  EXPECT_EQ(failure(pax({{"mtime", "NaN"}}, 'g') + file("ok") + end()), Code::kInvalid);
}

TEST(TarReader, PaxSizeDecidesWhereTheNextMemberIs) {
  Read read = read_tar(pax({{"size", "1024"}}) + block({.name = "f", .size = 4}) +
                       std::string(1024, 'd') + file("after") + end());
  ASSERT_EQ(read.entries.size(), 2u);
  EXPECT_EQ(read.contents[0].size(), 1024u);
  EXPECT_EQ(read.entries[1].path, "after");
}

TEST(TarReader, SizesOfMembersWithoutContentAreIgnored) {
  Read read = read_tar(block({.name = "l", .type = '2', .size = 512, .link = "t"}) +
                       block({.name = "d", .type = '5', .size = 99999}) + file("f") + end());
  EXPECT_EQ(read.entries.size(), 3u);
}

TEST(TarReader, OldDirectoriesEndInASlash) {
  Read read = read_tar(
      block({.name = "old/", .type = '\0', .magic = std::string(8, '\0')}) +
      member({.name = "old/f", .type = '\0', .magic = std::string(8, '\0')}, "o\n") + end());
  EXPECT_EQ(read.entries[0].type, EntryType::kDirectory);
  EXPECT_EQ(read.contents[1], "o\n");
}

TEST(TarReader, EndsWithOrWithoutItsEndBlocks) {
  EXPECT_EQ(read_tar("").entries.size(), 0u);
  EXPECT_EQ(read_tar(end()).entries.size(), 0u);
  EXPECT_EQ(read_tar(file("f")).entries.size(), 1u);
  EXPECT_EQ(read_tar(file("f") + std::string(512, '\0')).entries.size(), 1u);
  EXPECT_EQ(read_tar(file("f") + end() + file("second archive")).entries.size(), 1u);
  EXPECT_EQ(read_tar(block({.name = "f", .size = 5}) + "hello").contents[0], "hello");
  EXPECT_EQ(failure(file("f") + std::string(512, '\0') + file("g")), Code::kInvalid);
}

TEST(TarReader, EveryCutInsideAMemberIsCorrupt) {
  std::string bytes = pax({{"path", "name"}}) + member({.name = "f"}, std::string(700, 'x'));
  size_t content_end = 512 + 512 + 512 + 700;
  for (size_t size = 1; size < content_end; size += 7) {
    if (size % 512 == 0 && size < 1024) continue;
    EXPECT_EQ(failure(bytes.substr(0, size)), Code::kCorrupt) << size;
  }
  EXPECT_EQ(failure(bytes.substr(0, content_end)), std::nullopt);
  EXPECT_EQ(failure(bytes.substr(0, 1024)), Code::kCorrupt);  // an extended header of nothing
  EXPECT_EQ(failure(bytes.substr(0, 1024), Strictness::kArchive), std::nullopt);
}

TEST(TarReader, RefusesImpossibleNumbers) {
  EXPECT_EQ(failure(block({.name = "f", .size = -512}) + end()), Code::kInvalid);
  EXPECT_EQ(failure(block({.name = "f", .size = INT64_MAX}) + end()), Code::kCorrupt);
  EXPECT_EQ(failure(block({.name = "f", .raw_size = "zzzzzzzzzzz"}) + end()), Code::kInvalid);
  EXPECT_EQ(failure(block({.name = "f", .raw_size = "00000000129"}) + end()), Code::kInvalid);
  EXPECT_EQ(failure(block({.name = "f", .raw_size = std::string(12, '\x80' + 0x3f)}) + end()),
            Code::kInvalid);
  EXPECT_EQ(failure(block({.name = "f", .checksum = 1}) + end()), Code::kInvalid);
  for (int64_t id : {int64_t{-1}, int64_t{0xffffffff}, int64_t{1} << 32}) {
    EXPECT_EQ(failure(member({.name = "f", .uid = id}, "") + end()), Code::kInvalid) << id;
    EXPECT_EQ(failure(member({.name = "f", .gid = id}, "") + end()), Code::kInvalid) << id;
  }
  EXPECT_EQ(read_tar(member({.name = "f", .uid = 0xfffffffe}, "") + end()).entries[0].uid,
            0xfffffffe);
  EXPECT_EQ(failure(block({.name = "n", .type = '3', .major = 5000}) + end()), Code::kInvalid);
}

TEST(TarReader, NumbersMayBePaddedInEveryOldWay) {
  for (std::string size :
       {std::string("5\0         ", 11), std::string("          5 "), std::string("00000000005 "),
        std::string("\0\0\0\0\0\0\0\0\0\0 5", 12)}) {
    Read read = read_tar(block({.name = "f", .raw_size = size}) + padded("hello") + end());
    EXPECT_EQ(read.contents[0], "hello") << size;
  }
}

TEST(TarReader, RefusesOversizedMetadataBeforeReadingIt) {
  EXPECT_EQ(failure(block({.name = "x", .type = 'x', .size = int64_t{8} << 30})), Code::kInvalid);
  EXPECT_EQ(failure(block({.name = "x", .type = 'L', .size = int64_t{4} << 30})), Code::kInvalid);
  EXPECT_EQ(failure(pax({{"SCHILY.xattr.user.big", std::string(70'000, 'A')}}) + file("f")),
            Code::kInvalid);
  EXPECT_EQ(failure(gnu_long('L', std::string(70'000, 'n')) + file("f")), Code::kInvalid);
}

TEST(TarReader, RefusesWhatLayersDoNotHave) {
  std::string sparse =
      pax({{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "9"}});
  EXPECT_EQ(failure(sparse + file("f") + end()), Code::kUnsupported);
  for (char type : {'S', 'Z', 'V', 'M', 'D'})
    EXPECT_EQ(failure(member({.name = "z", .type = type}, "") + end()), Code::kUnsupported) << type;
  EXPECT_EQ(failure(member({.name = ""}, "") + end()), Code::kInvalid);
}

TEST(TarReader, CountsAgainstItsLimits) {
  layer::Limits limits;
  limits.unpacked_bytes = 1000;
  EXPECT_EQ(failure(file("a", std::string(600, 'a')) + file("b", std::string(600, 'b')),
                    Strictness::kImage, limits),
            Code::kInvalid);
  limits = {};
  limits.entries = 2;
  EXPECT_EQ(failure(file("a") + file("b") + file("c"), Strictness::kImage, limits), Code::kInvalid);
}

TEST(TarReader, MessagesHoldNoControlBytes) {
  EXPECT_EQ(failure(member({.name = "\x1b[31mred\x07\n", .uid = -1}, "")), Code::kInvalid);
}

TEST(TarReader, ReadsSparseMembersOfArchives) {
  std::string expected = std::string(3, '\0') + "abc" + std::string(4, '\0') + "de";
  // 0.1: the map in a record; 1.0: the map in front of the data; 0.0: repeated records.
  std::string v01 = pax({{"GNU.sparse.major", "0"},
                         {"GNU.sparse.minor", "1"},
                         {"GNU.sparse.name", "real"},
                         {"GNU.sparse.size", "12"},
                         {"GNU.sparse.numblocks", "2"},
                         {"GNU.sparse.map", "3,3,10,2"}}) +
                    file("fake", "abcde");
  std::string v00 = pax({{"GNU.sparse.size", "12"},
                         {"GNU.sparse.numblocks", "2"},
                         {"GNU.sparse.offset", "3"},
                         {"GNU.sparse.numbytes", "3"},
                         {"GNU.sparse.offset", "10"},
                         {"GNU.sparse.numbytes", "2"}}) +
                    file("real", "abcde");
  std::string v10 = pax({{"GNU.sparse.major", "1"},
                         {"GNU.sparse.minor", "0"},
                         {"GNU.sparse.name", "real"},
                         {"GNU.sparse.realsize", "12"}}) +
                    file("fake", padded("2\n3\n3\n10\n2\n") + "abcde");
  for (const std::string& bytes : {v01, v00, v10}) {
    Read read = read_tar(bytes + file("next") + end(), Strictness::kArchive);
    ASSERT_EQ(read.entries.size(), 2u);
    EXPECT_EQ(read.entries[0].path, "real");
    EXPECT_EQ(read.entries[0].size, 12u);
    EXPECT_EQ(read.contents[0], expected);
    EXPECT_EQ(read.entries[1].path, "next");
  }
}

TEST(TarReader, RefusesSparseMapsThatLie) {
  auto with_map = [](const std::string& map, const std::string& blocks, const std::string& size) {
    return pax({{"GNU.sparse.major", "0"},
                {"GNU.sparse.minor", "1"},
                {"GNU.sparse.size", size},
                {"GNU.sparse.numblocks", blocks},
                {"GNU.sparse.map", map}}) +
           file("f", "abcde") + end();
  };
  EXPECT_EQ(failure(with_map("0,5", "1", "5"), Strictness::kArchive), std::nullopt);
  EXPECT_EQ(failure(with_map("0,5", "2", "5"), Strictness::kArchive), Code::kInvalid);
  EXPECT_EQ(failure(with_map("0,6", "1", "5"), Strictness::kArchive), Code::kInvalid);
  EXPECT_EQ(failure(with_map("3,1,0,1", "2", "5"), Strictness::kArchive), Code::kInvalid);
  EXPECT_EQ(failure(with_map("-1,1", "1", "5"), Strictness::kArchive), Code::kInvalid);
  EXPECT_EQ(failure(with_map("9223372036854775807,9", "1", "5"), Strictness::kArchive),
            Code::kInvalid);
  EXPECT_EQ(failure(with_map("0,9", "1", "9"), Strictness::kArchive), Code::kInvalid);
}

TEST(IsArchive, IsDecidedByTheFirstHeader) {
  auto is_archive = [](const std::string& bytes) {
    base::MemorySource source(base::as_bytes(bytes));
    return layer::is_archive(source);
  };
  EXPECT_TRUE(is_archive(file("f") + end()));
  EXPECT_TRUE(is_archive(block({.name = "f", .size = INT64_MAX})));
  EXPECT_TRUE(is_archive(member({.name = "f", .uid = -7}, "") + end()));
  EXPECT_TRUE(is_archive(pax({{"comment", "x"}}, 'g') + "rubbish"));
  // A stored gzip block that is cut short after the first header: unpacking tells what is wrong.
  EXPECT_TRUE(is_archive(std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\0\x28\xff\xd7", 15) +
                         file("f").substr(0, 600)));
  // One that is whole, and whose checksum is wrong.
  std::string whole = file("f") + end();
  std::string length{static_cast<char>(whole.size() & 0xff), static_cast<char>(whole.size() >> 8)};
  std::string inverted{static_cast<char>(~length[0]), static_cast<char>(~length[1])};
  EXPECT_TRUE(is_archive(std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff\x01", 11) + length + inverted +
                         whole + std::string(8, '\0')));
  EXPECT_FALSE(is_archive(""));
  EXPECT_FALSE(is_archive(end()));
  EXPECT_FALSE(is_archive("a text of any kind"));
  EXPECT_FALSE(is_archive("\x1f\x8b\x08 not really gzip"));
  EXPECT_FALSE(is_archive(block({.name = "f", .size = -1})));
  EXPECT_FALSE(is_archive(pax({{"path", "x"}})));
  EXPECT_FALSE(is_archive(file("f").substr(0, 300)));
}

}  // namespace
