#include "store/lease.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/store_fixture.h"

namespace {

using store::Access;
using store::Store;

struct LeaseTest : testing::Test {
  support::TempDir temp;
  std::unique_ptr<Store> store = Store::open(temp.path(), Access::kReadWrite);
  std::unique_ptr<Store> other = Store::open(temp.path(), Access::kReadWrite);
};

TEST_F(LeaseTest, KeepsWhatWasMadeUnderIt) {
  auto lease = std::make_unique<store::Lease>(store->lease());
  const oci::Digest id = support::add_image(*store, "", {"a"});
  auto writer = store->write_blob();
  writer->write(base::as_bytes("loose"));
  const oci::Digest loose = writer->commit();
  EXPECT_TRUE(other->prune({.all = true}).empty());
  EXPECT_TRUE(store->find_image(id.str()));
  EXPECT_TRUE(store->find_blob(loose));
  lease.reset();
  EXPECT_FALSE(other->prune({.all = true}).empty());
  EXPECT_FALSE(store->find_image(id.str()));
  EXPECT_FALSE(store->find_layer(support::layer_id("a")));
  EXPECT_FALSE(store->find_blob(loose));
}

TEST_F(LeaseTest, KeepsTheLayersOfAnImageThatIsRemovedMeanwhile) {
  support::add_image(*store, "app", {"a"});
  store::Lease lease = store->lease();
  ASSERT_TRUE(store->find_image("app"));
  EXPECT_EQ(other->remove_image("app", {.force = true}).freed_bytes, 0u);
  EXPECT_TRUE(store->find_layer(support::layer_id("a")));
}

TEST_F(LeaseTest, OfAKilledProcessEndsByItself) {
  sys::Pipe pipe = sys::make_pipe();
  const pid_t child = ::fork();
  if (child == 0) {
    auto mine = Store::open(temp.path(), Access::kReadWrite);
    store::Lease lease = mine->lease();
    support::add_image(*mine, "", {"a"});
    sys::write_all(pipe.write_end.get(), base::as_bytes("x"), "pipe");
    ::pause();
    ::_exit(0);
  }
  char byte;
  ASSERT_EQ(::read(pipe.read_end.get(), &byte, 1), 1);
  EXPECT_TRUE(store->prune({.all = true}).empty());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(store->prune({.all = true}).images.size(), 1u);
  EXPECT_TRUE(std::filesystem::is_empty(temp / "leases"));
}

TEST_F(LeaseTest, ManyThreadsMayHoldAndUseThem) {
  support::add_image(*store, "app", {"a", "b"});
  std::atomic<int> found = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int n = 0; n < 20; ++n) {
          store::Lease lease = store->lease();
          found += store->find_image("app").has_value();
          found += store->find_layer(support::layer_id("b")).has_value();
        }
      });
    for (int n = 0; n < 20; ++n) other->prune({});
  }
  EXPECT_EQ(found, 160);
}

TEST_F(LeaseTest, AClaimIsHeldByOneAndPassesOn) {
  auto claim = std::make_unique<store::Claim>(store->claim("sha256:abc"));
  std::atomic<bool> waited = false;
  std::atomic<bool> got = false;
  std::jthread waiter([&] {
    store::Claim second = other->claim("sha256:abc", [&] { waited = true; });
    got = true;
  });
  while (!waited) std::this_thread::yield();
  EXPECT_FALSE(got);
  claim.reset();
  waiter.join();
  EXPECT_TRUE(got);
  EXPECT_TRUE(std::filesystem::is_empty(temp / "locks"));
}

}  // namespace
