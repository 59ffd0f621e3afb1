#include "store/store.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "store/database.h"
#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::Store;
using support::TempDir;

template <typename Work>
base::Code code_of(Work work) {
  try {
    work();
  } catch (const base::Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return base::Code::kFailed;
}

TEST(Store, IsCreatedWithParentsAndOpenedAgain) {
  TempDir temp;
  const auto root = temp / "a" / "b";
  Store::open(root, Access::kReadWrite)->put_document("build", "1", "text");
  auto store = Store::open(root, Access::kReadWrite);
  EXPECT_EQ(store->find_document("build", "1"), "text");
}

TEST(Store, IsNotCreatedForReading) {
  TempDir temp;
  EXPECT_EQ(code_of([&] { Store::open(temp / "a", Access::kReadOnly); }), base::Code::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(temp / "a"));
}

TEST(Store, RefusesAnUnknownFormatAndLeavesItAlone) {
  TempDir temp;
  temp.write("version", "torte-store 2\n");
  EXPECT_EQ(code_of([&] { Store::open(temp.path(), Access::kReadWrite); }),
            base::Code::kUnsupported);
  EXPECT_FALSE(std::filesystem::exists(temp / "blobs"));
}

TEST(Store, BringsTheTablesOfAnOlderTorteUpToDate) {
  for (Access access : {Access::kReadOnly, Access::kReadWrite}) {
    TempDir temp;
    support::add_image(*Store::open(temp.path(), Access::kReadWrite), "docker.io/library/a:1",
                       {"one"});
    {
      // As version 1 had them.
      store::Database records(temp / "torte.db", store::Database::Mode::kReadWrite, true);
      records.execute("ALTER TABLE layers DROP COLUMN tar_crc32");
      records.execute("PRAGMA user_version=1");
    }
    auto store = Store::open(temp.path(), access);
    EXPECT_EQ(store->list_images().size(), 1u);
    auto layer = store->find_layer(support::layer_id("one"));
    ASSERT_TRUE(layer);
    EXPECT_EQ(layer->tar_size_bytes, 10u);
    EXPECT_FALSE(layer->tar_crc32);
  }
}

TEST(Store, RefusesADirectoryThatHoldsSomethingElse) {
  TempDir temp;
  temp.write("thesis.txt", "years of work");
  EXPECT_EQ(code_of([&] { Store::open(temp.path(), Access::kReadWrite); }), base::Code::kInvalid);
  EXPECT_FALSE(std::filesystem::exists(temp / "blobs"));
}

TEST(Store, IsFinishedAfterACreationThatWasInterrupted) {
  TempDir temp;
  Store::open(temp.path(), Access::kReadWrite);
  std::filesystem::remove(temp / "version");
  std::filesystem::remove_all(temp / "index");
  Store::open(temp.path(), Access::kReadWrite)->put_index("a", "b");
}

TEST(Store, IsCreatedByManyProcessesAtOnce) {
  TempDir temp;
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        auto store = Store::open(temp / "root", Access::kReadWrite);
        support::add_image(*store, "app:" + std::to_string(i), {"base", std::to_string(i)});
        ::_exit(0);
      } catch (const std::exception& e) {
        fprintf(stderr, "%s\n", e.what());
        ::_exit(1);
      }
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  auto store = Store::open(temp / "root", Access::kReadWrite);
  EXPECT_EQ(store->list_images().size(), 8u);
  const store::FsckReport report = store->fsck({.deep = true});
  EXPECT_TRUE(report.problems.empty());
  EXPECT_TRUE(report.leftovers.empty());
}

TEST(Store, KeepsDocumentsByKind) {
  TempDir temp;
  auto store = Store::open(temp.path(), Access::kReadWrite);
  store->put_document("volume", "b", "1");
  store->put_document("volume", "a", "2");
  store->put_document("network", "b", "3");
  store->put_document("volume", "b", "4");
  ASSERT_EQ(store->list_documents("volume").size(), 2u);
  EXPECT_EQ(store->list_documents("volume")[0].body, "4");
  store->remove_document("volume", "b");
  EXPECT_FALSE(store->find_document("volume", "b"));
  EXPECT_EQ(store->find_document("network", "b"), "3");
}

TEST(Store, KeepsIndexFilesWholeAndRefusesNamesThatArePaths) {
  TempDir temp;
  auto store = Store::open(temp.path(), Access::kReadWrite);
  EXPECT_FALSE(store->find_index("context-1"));
  store->put_index("context-1", std::string("a\0b", 3));
  store->put_index("context-1", std::string("c\0d", 3));
  EXPECT_EQ(store->find_index("context-1"), std::string("c\0d", 3));
  EXPECT_EQ(code_of([&] { store->put_index("../x", ""); }), base::Code::kInvalid);
  EXPECT_EQ(code_of([&] { store->put_index("a/b", ""); }), base::Code::kInvalid);
}

TEST(Store, ReportsADamagedDatabaseAsCorrupt) {
  TempDir temp;
  Store::open(temp.path(), Access::kReadWrite);
  std::filesystem::remove(temp / "torte.db-wal");
  std::ofstream(temp / "torte.db") << std::string(8192, 'x');
  auto store = Store::open(temp.path(), Access::kReadWrite);
  EXPECT_EQ(code_of([&] { store->list_images(); }), base::Code::kCorrupt);
}

TEST(Store, IsReadableOnAReadOnlyFileSystemAndSaysSoWhenWritten) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  TempDir temp;
  const std::string mount = temp / "mount";
  std::filesystem::create_directory(mount);
  if (::mount("tmpfs", mount.c_str(), "tmpfs", 0, "size=8m") < 0)
    GTEST_SKIP() << "tmpfs cannot be mounted here";
  {
    auto store = Store::open(mount + "/root", Access::kReadWrite);
    support::add_image(*store, "app", {"a"});
  }
  ASSERT_EQ(::mount(nullptr, mount.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  EXPECT_EQ(code_of([&] { Store::open(mount + "/root", Access::kReadWrite); }),
            base::Code::kDenied);
  EXPECT_EQ(code_of([&] { Store::open(mount + "/other", Access::kReadWrite); }),
            base::Code::kDenied);
  {
    auto store = Store::open(mount + "/root", Access::kReadOnly);
    EXPECT_TRUE(store->find_image("app"));
    EXPECT_EQ(store->list_images().size(), 1u);
    EXPECT_TRUE(store->fsck({.deep = true}).problems.empty());
    EXPECT_EQ(code_of([&] { store->write_blob(); }), base::Code::kDenied);
    EXPECT_EQ(code_of([&] { store->prune({}); }), base::Code::kDenied);
    EXPECT_EQ(code_of([&] { store->remove_image("app"); }), base::Code::kDenied);
  }
  ::umount2(mount.c_str(), MNT_DETACH);
}

TEST(Store, GivesTheSpaceBackWhenTheDiskIsFull) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  TempDir temp;
  const std::string mount = temp / "mount";
  std::filesystem::create_directory(mount);
  if (::mount("tmpfs", mount.c_str(), "tmpfs", 0, "size=4m") < 0)
    GTEST_SKIP() << "tmpfs cannot be mounted here";
  {
    auto store = Store::open(mount + "/root", Access::kReadWrite);
    const uint64_t before = std::filesystem::space(mount).free;
    const std::string piece(1 << 20, 'x');
    {
      auto writer = store->write_blob();
      EXPECT_EQ(code_of([&] {
                  for (int i = 0; i < 8; ++i) writer->write(base::as_bytes(piece));
                }),
                base::Code::kSystem);
    }
    EXPECT_LT(before - std::filesystem::space(mount).free, 1u << 20);
    support::add_image(*store, "app", {"a"});
    EXPECT_TRUE(store->fsck({.deep = true}).problems.empty());
  }
  ::umount2(mount.c_str(), MNT_DETACH);
}

}  // namespace
