#include "runner/launch/launch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/runner/launch/busybox_root.h"

namespace {

using launch::Spec;
using support::BusyboxRoot;

class Launch : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    if (!BusyboxRoot::available()) GTEST_SKIP() << "needs busybox-static";
  }
  BusyboxRoot root_;
};

TEST_F(Launch, RunsAProgramAndReportsItsStatus) {
  Spec spec = root_.spec({"sh", "-c", "exit 7"});
  EXPECT_EQ(launch::launch(std::move(spec)).wait().shell_status(), 7);
}

TEST_F(Launch, TellsMissingFromUnusableCommands) {
  try {
    launch::launch(root_.spec({"no-such-command"}));
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.exit_status(), 127) << e.what();
  }
  try {
    launch::launch(root_.spec({"/etc"}));
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.exit_status(), 126) << e.what();
  }
}

TEST_F(Launch, ShowsOutputThroughPipes) {
  EXPECT_EQ(root_.output({"echo", "hello"}), "hello\n");
}

}  // namespace
