#include "store/staging.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys/fd.h"
#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::Store;

size_t entries(const std::filesystem::path& staging) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(staging), {}));
}

TEST(StagingDir, IsPrivateAndGoneAtTheEnd) {
  support::TempDir temp;
  auto store = Store::open(temp.path(), Access::kReadWrite);
  {
    store::StagingDir staging = store->create_staging("build");
    struct stat st;
    ASSERT_EQ(::stat(staging.path().c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0700u);
    std::filesystem::create_directories(staging / "tree/a/b");
    store::StagingDir moved = std::move(staging);
    EXPECT_TRUE(std::filesystem::exists(moved / "tree"));
  }
  store->flush_trash();
  EXPECT_EQ(entries(store->layout().staging()), 0u);
}

TEST(StagingDir, OfALiveProcessSurvivesAnotherOpen) {
  support::TempDir temp;
  auto store = Store::open(temp.path(), Access::kReadWrite);
  store::StagingDir staging = store->create_staging("build");
  Store::open(temp.path(), Access::kReadWrite);
  EXPECT_TRUE(std::filesystem::exists(staging.path()));
}

TEST(StagingDir, OfAKilledProcessIsRemovedByTheNextOpen) {
  support::TempDir temp;
  Store::open(temp.path(), Access::kReadWrite);
  sys::Pipe pipe = sys::make_pipe();
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = Store::open(temp.path(), Access::kReadWrite);
    store::StagingDir staging = store->create_staging("build");
    std::filesystem::create_directories(staging / "tree/a");
    sys::write_all(pipe.write_end.get(), base::as_bytes("x"), "pipe");
    ::pause();
    ::_exit(0);
  }
  char byte;
  ASSERT_EQ(::read(pipe.read_end.get(), &byte, 1), 1);
  EXPECT_EQ(entries(temp / "staging"), 1u);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  Store::open(temp.path(), Access::kReadWrite);
  EXPECT_EQ(entries(temp / "staging"), 0u);
}

TEST(Trash, TakesFilesAndTreesAndMissingOnes) {
  support::TempDir temp;
  auto store = Store::open(temp.path(), Access::kReadWrite);
  temp.write("index/file", "x");
  store->discard(temp / "index/file");
  store->discard(temp / "index/absent");
  std::filesystem::create_directories(temp / "containers/c/upper");
  store->discard(temp / "containers/c");
  EXPECT_FALSE(std::filesystem::exists(temp / "containers/c"));
  store.reset();
  EXPECT_EQ(entries(temp / "staging"), 0u);
}

}  // namespace
