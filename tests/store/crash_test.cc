// Every mutating system call of the store's writers is a place where the machine may stop or the
// disk may fail. After each of them the store must be sound and the same work must succeed.
// [spec/security.md promises 5 and 6]
#include <gtest/gtest.h>

#include <cerrno>

#include "base/error.h"
#include "tests/support/store_fixture.h"
#include "tests/support/syscall_faults.h"

namespace {

using store::Access;
using store::Store;
using support::add_image;
using support::Fault;

struct Scenario {
  const char* name;
  void (*prepare)(Store&);
  void (*work)(Store&);
  bool (*done)(Store&);
};

void build(Store& store) { add_image(store, "app", {"base", "new"}, 5000); }
bool built(Store& store) {
  return store.find_image("app") && store.find_layer(support::layer_id("new")) &&
         store.find_blob(store.get_image("app").id);
}

const Scenario kScenarios[] = {
    {"build", [](Store& store) { add_image(store, "app", {"base"}); }, build, built},
    {"first", [](Store&) {}, build, built},
    {"remove", [](Store& store) { build(store); },
     [](Store& store) {
       if (store.find_image("app")) store.remove_image("app", {.force = true});
       store.flush_trash();
     },
     [](Store& store) { return !store.find_image("app"); }},
    {"prune",
     [](Store& store) {
       build(store);
       add_image(store, "app", {"base"});
       add_image(store, "", {"x", "y"});
     },
     [](Store& store) { store.prune({}); },
     [](Store& store) {
       return store.find_image("app") && store.list_images().size() == 1 &&
              !store.find_layer(support::layer_id("new"));
     }},
};

struct CrashTest : testing::TestWithParam<Scenario> {
  // Runs the scenario with the fault at every call, until a run has fewer calls than that.
  void sweep(Fault fault, int error_number) {
    const Scenario& scenario = GetParam();
    size_t at = 1;
    for (;; ++at) {
      // In memory: what is tested does not depend on the disk, and a sync there costs nothing.
      support::TempDir temp("/dev/shm");
      const auto root = temp / "root";
      scenario.prepare(*Store::open(root, Access::kReadWrite));
      const support::FaultResult result = support::run_with_fault(
          [&] {
            scenario.work(*Store::open(root, Access::kReadWrite));
            return 0;
          },
          at, fault, error_number);
      if (result.last_call.empty()) {
        EXPECT_EQ(result.exit_status, 0);
        break;
      }
      SCOPED_TRACE(testing::Message() << scenario.name << " call " << at << ": " << result.last_call
                                      << ", exit " << result.exit_status);
      auto store = Store::open(root, Access::kReadWrite);
      for (const store::Problem& problem : store->fsck({.deep = true}).problems)
        ADD_FAILURE() << problem.object << ": " << problem.text;
      EXPECT_TRUE(result.exit_status != 0 || scenario.done(*store));
      scenario.work(*store);
      EXPECT_TRUE(scenario.done(*store));
      store->prune({});
      for (const std::string& leftover : store->fsck({.deep = true}).leftovers)
        ADD_FAILURE() << "left over: " << leftover;
      if (HasFailure()) return;
    }
    EXPECT_GT(at, 10u);
    RecordProperty("calls", static_cast<int>(at - 1));
  }
};

TEST_P(CrashTest, KillAtEveryCallLeavesASoundStore) { sweep(Fault::kKill, 0); }
TEST_P(CrashTest, FullDiskAtEveryCallLeavesASoundStore) { sweep(Fault::kError, ENOSPC); }
TEST_P(CrashTest, InputOutputErrorAtEveryCallLeavesASoundStore) { sweep(Fault::kError, EIO); }

INSTANTIATE_TEST_SUITE_P(Store, CrashTest, testing::ValuesIn(kScenarios),
                         [](const auto& parameter) { return parameter.param.name; });

}  // namespace
