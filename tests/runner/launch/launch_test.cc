#include "runner/launch/launch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "base/error.h"
#include "base/sys/overlay_mount.h"
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

TEST_F(Launch, ShowsOutputThroughPipes) { EXPECT_EQ(root_.output({"echo", "hello"}), "hello\n"); }

TEST_F(Launch, CreatesTheWorkingDirectoryAndLooksUpRelativeCommandsInPath) {
  Spec spec = root_.spec({"pwd"});
  spec.cwd = "/new/place";
  EXPECT_EQ(BusyboxRoot::output(std::move(spec)), "/new/place\n");
  EXPECT_TRUE(std::filesystem::is_directory(root_.last_upper() / "new/place"));
}

TEST_F(Launch, WorkingDirectoryMayNotLeadOut) {
  std::filesystem::create_symlink("/proc/self/fd/7", root_.dir() / "image/fd");
  std::filesystem::create_symlink("../../..", root_.dir() / "image/up");
  Spec spec = root_.spec({"pwd"});
  spec.cwd = "/fd";
  EXPECT_THROW(launch::launch(std::move(spec)), base::Error);
  spec = root_.spec({"pwd"});
  spec.cwd = "/up/tmp";
  EXPECT_EQ(BusyboxRoot::output(std::move(spec)), "/tmp\n");
}

launch::Mount bind(const std::filesystem::path& source, const char* target) {
  launch::Mount mount;
  mount.source = sys::UniqueFd(open(source.c_str(), O_PATH | O_CLOEXEC));
  mount.target = sys::RootedPath(target);
  return mount;
}

TEST_F(Launch, BindsDirectoriesAndFilesReadOnlyWhenAsked) {
  root_.dir().write("host/sub/file", "content\n");
  Spec spec =
      root_.spec({"sh", "-c", "cat /a/b/sub/file /one; touch /a/b/x; touch /ro/x || echo no"});
  spec.mounts.push_back(bind(root_.dir() / "host", "/a/b"));
  spec.mounts.push_back(bind(root_.dir() / "host/sub/file", "/one"));
  spec.mounts.push_back(bind(root_.dir() / "host", "/ro"));
  spec.mounts.back().read_only = true;
  EXPECT_EQ(BusyboxRoot::output(std::move(spec)),
            "content\ncontent\ntouch: /ro/x: Read-only file system\nno\n");
  EXPECT_TRUE(std::filesystem::exists(root_.dir() / "host/x"));
  EXPECT_TRUE(std::filesystem::is_empty(root_.last_upper())) << "stubs belong to the init layer";
}

TEST_F(Launch, StubsLeaveTheirParentsAsTheImageHasThem) {
  root_.dir().write("host/file", "x");
  std::filesystem::create_directories(root_.dir() / "image/srv/data");
  std::filesystem::permissions(root_.dir() / "image/srv/data", std::filesystem::perms(0710));
  std::filesystem::last_write_time(
      root_.dir() / "image/srv/data",
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(1000));
  Spec spec = root_.spec({"sh", "-c", "stat -c '%a %Y' /srv/data"});
  spec.mounts.push_back(bind(root_.dir() / "host", "/srv/data/mnt"));
  struct stat status;
  ASSERT_EQ(stat((root_.dir() / "image/srv/data").c_str(), &status), 0);
  EXPECT_EQ(BusyboxRoot::output(std::move(spec)), "710 " + std::to_string(status.st_mtime) + "\n");
  EXPECT_TRUE(std::filesystem::is_empty(root_.last_upper()));
}

TEST_F(Launch, TakesAPartOfADetachedMount) {
  root_.dir().write("image/usr/share/inner", "part\n");
  Spec other = root_.spec({});
  Spec spec = root_.spec({"cat", "/mnt/inner", "/file"});
  for (const char* target : {"/mnt", "/file"}) {
    launch::Mount mount;
    mount.source = sys::mount_overlay({.lowers = other.root.lowers});
    mount.source_is_detached = true;
    mount.source_path = sys::RootedPath(target[1] == 'm' ? "/usr/share" : "/usr/share/inner");
    mount.target = sys::RootedPath(target);
    spec.mounts.push_back(std::move(mount));
  }
  EXPECT_EQ(BusyboxRoot::output(std::move(spec)), "part\npart\n");
}

TEST_F(Launch, SecretsAreFilesOnlyTheirReaderSees) {
  Spec spec = root_.spec({"sh", "-c",
                          "cat /run/secrets/key; stat -c '%a %u' /run/secrets/key;"
                          "( echo x > /run/secrets/key ) 2>/dev/null || echo read-only;"
                          "/dev/pipes/script"});
  launch::Mount secret;
  secret.kind = launch::Mount::Kind::kFile;
  secret.target = sys::RootedPath("/run/secrets/key");
  secret.content = std::string("se\0cret\n", 8);
  secret.mode = 0400;
  secret.executable = false;
  spec.mounts.push_back(std::move(secret));
  launch::Mount script;
  script.kind = launch::Mount::Kind::kFile;
  script.target = sys::RootedPath("/dev/pipes/script");
  script.content = "#!/bin/sh\necho script ran\n";
  spec.mounts.push_back(std::move(script));
  EXPECT_EQ(BusyboxRoot::output(std::move(spec)),
            std::string("se\0cret\n", 8) + "400 0\nread-only\nscript ran\n");
  EXPECT_TRUE(std::filesystem::is_empty(root_.last_upper()));
}

TEST_F(Launch, TmpfsMountsAreEmptyAndBounded) {
  Spec spec = root_.spec({"sh", "-c",
                          "ls /bin/. | wc -l; stat -c %a /scratch;"
                          "dd if=/dev/zero of=/scratch/x bs=1M count=2 2>&1 | grep -c space"});
  launch::Mount tmpfs;
  tmpfs.kind = launch::Mount::Kind::kTmpfs;
  tmpfs.target = sys::RootedPath("/scratch");
  tmpfs.mode = 0700;
  tmpfs.size_bytes = 1 << 20;
  spec.mounts.push_back(std::move(tmpfs));
  EXPECT_THAT(BusyboxRoot::output(std::move(spec)), ::testing::EndsWith("700\n1\n"));
}

TEST_F(Launch, ReadOnlyRootsRefuseWrites) {
  Spec spec =
      root_.spec({"sh", "-c", "touch /x 2>/dev/null || echo no; touch /dev/shm/x && echo yes"});
  spec.root.read_only = true;
  EXPECT_EQ(BusyboxRoot::output(std::move(spec)), "no\nyes\n");
}

TEST_F(Launch, MountTargetsThatAreLinksResolveInside) {
  std::filesystem::remove(root_.dir() / "image/proc");
  std::filesystem::create_symlink("/etc", root_.dir() / "image/proc");
  EXPECT_THROW(launch::launch(root_.spec({"true"})), base::Error) << "/proc may not be a link";
}

TEST_F(Launch, ResolvConfMayBeALinkToNowhere) {
  std::filesystem::create_symlink("../run/systemd/resolve/stub.conf",
                                  root_.dir() / "image/etc/resolv.conf");
  Spec spec = root_.spec({"cat", "/etc/resolv.conf"});
  spec.resolv_conf = "nameserver 192.0.2.1\n";
  EXPECT_EQ(BusyboxRoot::output(std::move(spec)), "nameserver 192.0.2.1\n");
  EXPECT_TRUE(std::filesystem::is_empty(root_.last_upper()));
}

TEST_F(Launch, JoinsARunningContainer) {
  Spec spec = root_.spec({"sleep", "1000"});
  spec.hostname = "first";
  launch::Container first = launch::launch(std::move(spec));
  sys::Pipe pipe = sys::make_pipe();
  Spec second;
  second.argv = {
      "sh", "-c",
      "hostname; cat /proc/1/cmdline | tr '\\0' ' '; grep Seccomp: /proc/self/status; exit 4"};
  second.env = {"PATH=/bin"};
  second.stdout_fd = pipe.write_end.get();
  launch::Container joined = launch::join(first.pidfd(), std::move(second));
  pipe.write_end.reset();
  sys::FdSource source(pipe.read_end.get(), "output");
  EXPECT_EQ(base::read_all(source, 4096), "first\nsleep 1000 Seccomp:\t2\n");
  EXPECT_EQ(joined.wait().shell_status(), 4);
  first.signal(SIGKILL);
  EXPECT_EQ(first.wait().signal, SIGKILL);
}

TEST_F(Launch, HoldsTheProgramUntilItIsToldToGo) {
  const std::filesystem::path mark = root_.dir() / "mark";
  std::filesystem::create_directory(mark);
  Spec spec = root_.spec({"sh", "-c", "echo here >/mark/here; exit 5"});
  spec.mounts.push_back(bind(mark, "/mark"));
  spec.held = true;
  launch::Container held = launch::launch(std::move(spec));
  EXPECT_FALSE(std::filesystem::exists(mark / "here"));
  held.go();
  EXPECT_EQ(held.wait().shell_status(), 5);
  EXPECT_TRUE(std::filesystem::exists(mark / "here"));

  spec = root_.spec({"no-such-command"});
  spec.held = true;
  launch::Container lost = launch::launch(std::move(spec));
  try {
    lost.go();
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.exit_status(), 127) << e.what();
  }
}

TEST_F(Launch, PassesDescriptorsOnWhateverTheirNumbers) {
  sys::Pipe one = sys::make_pipe(), two = sys::make_pipe();
  sys::write_all(one.write_end.get(), base::as_bytes("one"), "pipe");
  sys::write_all(two.write_end.get(), base::as_bytes("two"), "pipe");
  one.write_end.reset();
  two.write_end.reset();
  for (const bool init : {false, true}) {
    Spec spec = root_.spec({"sh", "-c", "cat <&4; cat <&3; [ -e /proc/self/fd/5 ] || echo end"});
    spec.init = init;
    // The higher number first: they may not overwrite each other.
    spec.further_fds = {two.read_end.get(), one.read_end.get()};
    EXPECT_EQ(BusyboxRoot::output(std::move(spec)), init ? "end\n" : "onetwoend\n");
  }
}

TEST_F(Launch, DroppingAContainerEndsIt) {
  sys::Pipe pipe = sys::make_pipe();
  Spec spec = root_.spec({"sleep", "1000"});
  spec.stdout_fd = pipe.write_end.get();
  {
    launch::Container container = launch::launch(std::move(spec));
    pipe.write_end.reset();
  }
  sys::FdSource source(pipe.read_end.get(), "output");
  EXPECT_EQ(base::read_all(source, 16), "");
}

TEST_F(Launch, LeavesNoDescriptorsBehind) {
  auto count = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  root_.output({"true"});
  auto before = count();
  Spec spec = root_.spec({"true"});
  auto opened = count() - before;
  BusyboxRoot::output(std::move(spec));
  EXPECT_EQ(count() - opened, before);
}

}  // namespace
