#include "runner/container/containers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "tests/support/temp_dir.h"

namespace {

using container::Claim;
using container::Config;
using container::Containers;
using container::State;
using container::Status;

class ContainersTest : public ::testing::Test {
 protected:
  Claim make(const std::string& name, bool auto_remove = false) {
    Config config;
    config.name = name;
    config.rootfs = "/";
    config.entrypoint = {"true"};
    config.auto_remove = auto_remove;
    return containers_.create(config, nullptr, false, [](Config&) {});
  }
  void pretend_running(const std::string& id) {
    State state;
    state.status = Status::kRunning;
    state.pid = ::getpid();
    state.pid_start = 1;  // somebody else had that number
    state.boot = container::this_boot();
    containers_.write_state(id, state, false);
  }

  support::TempDir dir_;
  std::unique_ptr<store::Store> store_ =
      store::Store::open(dir_ / "store", store::Access::kReadWrite, {.durable = false});
  Containers containers_{store_->layout(), store_.get(), dir_ / "net"};
};

TEST_F(ContainersTest, AreFoundByNameIdAndUniqueBeginning) {
  const std::string one = make("one").id, two = make("two").id;
  EXPECT_EQ(containers_.find("one"), one);
  EXPECT_EQ(containers_.find(two), two);
  EXPECT_EQ(containers_.find(two.substr(0, 20)), two);
  EXPECT_FALSE(containers_.find("three"));
  EXPECT_THROW(containers_.get("three"), base::Error);
  EXPECT_EQ(containers_.list().size(), 2u);
}

TEST_F(ContainersTest, NamesThatAreMadeUpDifferHoweverManyAreMadeAtOnce) {
  constexpr int kThreads = 8, kEach = 150;  // more than there are pairs of words
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&] {
        Containers containers(store_->layout(), store_.get(), dir_ / "net");
        for (int n = 0; n < kEach; ++n) {
          Config config;
          config.rootfs = "/";
          config.entrypoint = {"true"};
          try {
            containers.create(config, nullptr, false, [](Config&) {});
          } catch (const base::Error&) {
            ++failed;
          }
        }
      });
  }
  EXPECT_EQ(failed, 0);
  std::set<std::string> names;
  for (const container::Record& record : containers_.list()) names.insert(record.config.name);
  EXPECT_EQ(names.size(), size_t{kThreads * kEach});
}

TEST_F(ContainersTest, ANameBelongsToOneAndIsFreeAfterRemoval) {
  Claim claim = make("one");
  EXPECT_THROW(make("one"), base::Error);
  EXPECT_EQ(containers_.list().size(), 1u) << "the failed one left nothing";
  containers_.remove(claim);
  EXPECT_FALSE(containers_.find("one"));
  EXPECT_NO_THROW(make("one"));
}

TEST_F(ContainersTest, GetNamesWhenTheyHaveNone) {
  Claim claim = make("");
  EXPECT_TRUE(container::is_valid_name(containers_.read(claim.id).config.name));
}

TEST_F(ContainersTest, RenameMovesTheName) {
  const std::string id = make("one").id;
  make("two");
  EXPECT_THROW(containers_.rename(id, "two"), base::Error);
  containers_.rename(id, "three");
  EXPECT_EQ(containers_.find("three"), id);
  EXPECT_FALSE(containers_.find("one"));
}

TEST_F(ContainersTest, TheLifeLockKeepsOthersOut) {
  const Claim claim = make("one");
  pretend_running(claim.id);
  EXPECT_TRUE(containers_.is_held(claim.id));
  EXPECT_THROW(containers_.claim(claim.id), base::Error);
}

TEST_F(ContainersTest, OneWithoutItsMonitorIsMended) {
  const std::string id = make("one").id;
  pretend_running(id);
  const auto records = containers_.list();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].state.status, Status::kExited);
  EXPECT_EQ(records[0].state.exit_code, 137);
  EXPECT_FALSE(records[0].state.error.empty());
}

TEST_F(ContainersTest, OneThatWasToBeRemovedGoesWithItsMonitor) {
  const std::string id = make("one", true).id;
  pretend_running(id);
  EXPECT_TRUE(containers_.list().empty());
  EXPECT_NO_THROW(make("one"));
}

TEST_F(ContainersTest, WhatWasNeverFinishedIsDiscarded) {
  const auto path = store_->layout().container(std::string(64, 'f'));
  std::filesystem::create_directory(path);
  EXPECT_TRUE(containers_.list().empty());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ContainersTest, AProcessIsKnownByItsStartToo) {
  State state;
  state.pid = ::getpid();
  state.boot = container::this_boot();
  state.pid_start = 1;
  EXPECT_FALSE(container::open_main_process(state));
}

}  // namespace
