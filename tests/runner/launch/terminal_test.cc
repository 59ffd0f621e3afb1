#include "runner/launch/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/runner/launch/busybox_root.h"

namespace {

using ::testing::HasSubstr;

class Terminal : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    if (!support::BusyboxRoot::available()) GTEST_SKIP() << "needs busybox-static";
  }
  support::BusyboxRoot root_;
};

TEST_F(Terminal, CopiesBothWaysAndEndsWithTheInput) {
  launch::ForwardedSignals signals;
  sys::Pipe input = sys::make_pipe(), output = sys::make_pipe();
  launch::Spec spec = root_.spec({"sh", "-c", "read line; echo got $line; cat; echo end"});
  spec.tty = true;
  launch::Container container = launch::launch(std::move(spec));
  sys::write_all(input.write_end.get(), base::as_bytes("hello\n"), "input");
  input.write_end.reset();
  launch::Attendance attendance{input.read_end.get(), output.write_end.get()};
  EXPECT_EQ(launch::attend(container, signals, attendance)->shell_status(), 0);
  output.write_end.reset();
  sys::FdSource source(output.read_end.get(), "output");
  std::string text = base::read_all(source, 1 << 16);
  EXPECT_THAT(text, HasSubstr("got hello\r\n"));
  EXPECT_THAT(text, HasSubstr("end\r\n"));
}

TEST_F(Terminal, PassesSignalsOnToProgramsWithAndWithoutInit) {
  for (bool init : {false, true}) {
    launch::ForwardedSignals signals;
    sys::Pipe output = sys::make_pipe();
    launch::Spec spec =
        root_.spec({"sh", "-c", "trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done"});
    spec.init = init;
    spec.stdout_fd = output.write_end.get();
    launch::Container container = launch::launch(std::move(spec));
    output.write_end.reset();
    char byte;
    ASSERT_EQ(read(output.read_end.get(), &byte, 1), 1);
    kill(getpid(), SIGTERM);
    EXPECT_EQ(launch::attend(container, signals, {-1, 1})->shell_status(), 42) << init;
  }
}

TEST_F(Terminal, FollowsTheSizeOfOurs) {
  launch::ForwardedSignals signals;
  sys::Pipe output = sys::make_pipe();
  launch::Spec spec = root_.spec({"stty", "size"});
  spec.tty = true;
  spec.tty_rows = 33;
  spec.tty_columns = 77;
  launch::Container container = launch::launch(std::move(spec));
  launch::attend(container, signals, {-1, output.write_end.get()});
  output.write_end.reset();
  sys::FdSource source(output.read_end.get(), "output");
  EXPECT_EQ(base::read_all(source, 1 << 16), "33 77\r\n");
}

TEST_F(Terminal, PausedContainersStandStill) {
  launch::Spec spec = root_.spec({"sleep", "0.2"});
  spec.own_cgroup = true;
  launch::Container container = launch::launch(std::move(spec));
  container.pause();
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  siginfo_t info = {};
  EXPECT_EQ(waitid(P_PID, static_cast<id_t>(container.pid()), &info, WEXITED | WNOHANG | WNOWAIT),
            0);
  EXPECT_EQ(info.si_pid, 0) << "it ended while paused";
  container.resume();
  EXPECT_EQ(container.wait().shell_status(), 0);
}

TEST(DetachKeys, WhatIsTypedOtherwiseIsThePrograms) {
  launch::DetachKeys keys("\x10\x11");
  std::string program;
  EXPECT_FALSE(keys.feed("ab\x10", program));
  EXPECT_EQ(program, "ab");
  EXPECT_FALSE(keys.feed("c\x10\x10", program));
  EXPECT_EQ(program,
            "ab\x10"
            "c\x10");
  EXPECT_TRUE(keys.feed("\x11more", program));
  launch::DetachKeys none("");
  EXPECT_FALSE(none.feed("\x10\x11", program));
}

}  // namespace
