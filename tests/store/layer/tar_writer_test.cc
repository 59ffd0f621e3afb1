#include "store/layer/tar_writer.h"

#include <gtest/gtest.h>

#include "store/layer/tar_reader.h"

namespace {

using layer::Entry;
using layer::EntryType;

std::string write(const std::vector<Entry>& entries) {
  base::StringSink out;
  layer::TarWriter writer(out);
  for (const Entry& entry : entries) writer.begin(entry);
  writer.finish();
  EXPECT_EQ(writer.bytes(), out.text().size());
  return out.text();
}

Entry round_trip(const Entry& entry) {
  std::string bytes = write({entry});
  base::MemorySource source(base::as_bytes(bytes));
  layer::TarReader reader(source, {}, layer::Strictness::kImage);
  Entry read;
  EXPECT_TRUE(reader.next(read));
  Entry more;
  EXPECT_FALSE(reader.next(more));
  return read;
}

TEST(TarWriter, NeedsNoPaxHeaderForOrdinaryMembers) {
  Entry entry;
  entry.path = std::string(100, 'n');
  entry.mode = 04755;
  entry.uid = entry.gid = 07777777;
  entry.mtime.sec = 077777777777;
  EXPECT_EQ(write({entry}).size(), 512u + 1024u);
  entry.path = std::string(155, 'p') + "/" + std::string(100, 'n');
  EXPECT_EQ(write({entry}).size(), 512u + 1024u);
}

TEST(TarWriter, EverythingComesBackAsItWas) {
  Entry entry;
  entry.path = std::string(155, 'p') + "/" + std::string(100, 'n');
  EXPECT_EQ(round_trip(entry).path, entry.path);
  entry.path = std::string(156, 'p') + "/" + std::string(100, 'n');
  EXPECT_EQ(round_trip(entry).path, entry.path);
  entry.path = std::string(101, '\xff');
  EXPECT_EQ(round_trip(entry).path, entry.path);
  entry.path = std::string(99, 'd') + "/";
  entry.type = EntryType::kDirectory;
  EXPECT_EQ(round_trip(entry).path, entry.path);
  entry.path = std::string(120, 'd') + "/";
  entry.uid = 0xfffffffe;
  entry.gid = 010000000;
  entry.mtime.sec = -5;
  entry.xattrs["user.empty"] = "";
  entry.xattrs["security.capability"] = std::string("\1\0\0\2\n=", 6);
  Entry back = round_trip(entry);
  EXPECT_EQ(back.path, entry.path);
  EXPECT_EQ(back.uid, entry.uid);
  EXPECT_EQ(back.gid, entry.gid);
  EXPECT_EQ(back.mtime, entry.mtime);
  EXPECT_EQ(back.xattrs, entry.xattrs);
  entry.type = EntryType::kSymlink;
  entry.link = std::string(5000, 'l');
  EXPECT_EQ(round_trip(entry).link, entry.link);
  Entry device;
  device.path = "dev";
  device.type = EntryType::kBlock;
  device.dev_major = 0xfff;
  device.dev_minor = 0xfffff;
  EXPECT_EQ(round_trip(device).dev_minor, 0xfffffu);
}

TEST(TarWriter, LargeSizesUseAPaxRecord) {
  Entry entry;
  entry.path = "big";
  entry.size = 0100000000000;
  base::StringSink out;
  layer::TarWriter writer(out);
  writer.begin(entry);
  writer.finish();
  EXPECT_NE(out.text().find("size=8589934592\n"), std::string::npos);
}

}  // namespace
