// The sandbox as a process inside sees it, for root and for ordinary users.
// [spec/security.md 5]

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/sys/process.h"
#include "base/text.h"
#include "tests/runner/launch/busybox_root.h"

namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

struct Mode {
  const char* name;
  std::vector<std::string> arguments;
};

void PrintTo(const Mode& mode, std::ostream* out) { *out << mode.name; }

class Sandbox : public ::testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    if (!support::BusyboxRoot::available()) GTEST_SKIP() << "needs busybox-static";
    if (std::string(GetParam().name) == "Ranges" && access("/usr/bin/newuidmap", X_OK) < 0)
      GTEST_SKIP() << "needs newuidmap (uidmap)";
  }

  /// Output of a shell script in the sandbox.
  std::string in(const std::string& script, std::vector<std::string> options = {}) {
    const char* elsewhere = getenv("TORTE_PROBE");  // when the tests were copied to another machine
    std::vector<std::string> argv = {elsewhere != nullptr ? elsewhere : TORTE_PROBE};
    argv.insert(argv.end(), GetParam().arguments.begin(), GetParam().arguments.end());
    argv.insert(argv.end(), options.begin(), options.end());
    argv.insert(argv.end(), {"--", "sh", "-c", script});
    std::string output;
    status_ = sys::run_program(argv, &output).shell_status();
    return output;
  }
  bool is_root() const { return GetParam().arguments.empty(); }
  int status_ = -1;
};

INSTANTIATE_TEST_SUITE_P(Modes, Sandbox,
                         ::testing::Values(Mode{"Root", {}}, Mode{"Ranges", {"--as", "ranges"}},
                                           Mode{"Single", {"--as", "single"}}),
                         [](const auto& mode) { return mode.param.name; });

TEST_P(Sandbox, HoldsTheDefaultCapabilitiesAndNothingInheritable) {
  std::string status = in("cat /proc/self/status");
  for (const char* set : {"CapPrm", "CapEff", "CapBnd"})
    EXPECT_THAT(status, HasSubstr(std::string(set) + ":\t00000000a80425fb"));
  EXPECT_THAT(status, HasSubstr("CapInh:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("CapAmb:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
}

TEST_P(Sandbox, BuildStepsMayGainPrivileges) {
  std::string status = in("cat /proc/self/status", {"--build"});
  EXPECT_THAT(status, HasSubstr("CapEff:\t00000000a80425fb"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t0"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
}

TEST_P(Sandbox, ShowsOnlyItsOwnMounts) {
  std::string mounts = in("cut -d' ' -f2-4 /proc/mounts");
  EXPECT_THAT(mounts, ContainsRegex("(^|\n)/ overlay rw,nodev"));
  EXPECT_THAT(mounts, HasSubstr("\n/proc proc rw,nosuid,nodev,noexec"));
  EXPECT_THAT(mounts, HasSubstr("\n/dev tmpfs rw,nosuid,noexec"));
  EXPECT_THAT(mounts, ContainsRegex("\n/dev/pts devpts rw,nosuid,noexec.*ptmxmode=666"));
  EXPECT_THAT(mounts, HasSubstr("\n/dev/shm tmpfs rw,nosuid,nodev,noexec"));
  EXPECT_THAT(mounts, HasSubstr("\n/dev/mqueue mqueue rw,nosuid,nodev,noexec"));
  EXPECT_THAT(mounts, HasSubstr("\n/sys sysfs ro,nosuid,nodev,noexec"));
  EXPECT_THAT(mounts, ContainsRegex("\n/sys/fs/cgroup cgroup2? ro,nosuid,nodev,noexec"));
  for (const char* path : {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"})
    EXPECT_THAT(mounts, HasSubstr(std::string("\n") + path + " proc ro,nosuid,nodev,noexec"));
  for (const char* path : {"/etc/hosts", "/etc/resolv.conf", "/etc/hostname"})
    EXPECT_THAT(mounts, HasSubstr(std::string("\n") + path + " tmpfs ro,nosuid,nodev,noexec"));
  EXPECT_THAT(mounts, Not(HasSubstr("devtmpfs rw,relatime"))) << "a host mount";
  EXPECT_EQ(mounts.find("/ overlay"), mounts.rfind("/ overlay"));
}

TEST_P(Sandbox, HidesWhatTellsOfTheHost) {
  std::string output =
      in("for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do"
         "  [ -e $f ] && head -c 16 $f 2>/dev/null | wc -c; done;"
         "for d in /proc/acpi /proc/scsi /sys/firmware; do [ -e $d ] && ls $d | wc -l; done;"
         "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/uevent_helper; do"
         "  ( : > $f ) 2>/dev/null && echo WRITABLE; done; true");
  EXPECT_THAT(output, Not(ContainsRegex("[1-9]")));
  EXPECT_THAT(output, Not(HasSubstr("WRITABLE")));
}

TEST_P(Sandbox, InheritsNoDescriptors) {
  EXPECT_EQ(in("exec ls /proc/self/fd </dev/null | tr '\\n' ' '"), "0 1 2 3 ");  // 3 is ls's own
  EXPECT_THAT(in("exec readlink /proc/self/exe"), HasSubstr("/bin/busybox"));
}

TEST_P(Sandbox, RefusesToMountToUnshareAndToReadDevices) {
  std::string output =
      in("mount -t tmpfs x /tmp 2>/dev/null && echo MOUNT;"
         "unshare -U true 2>/dev/null && echo USERNS;"
         "unshare -m true 2>/dev/null && echo MOUNTNS;"
         "hostname evil 2>/dev/null && echo HOSTNAME;"
         "dmesg >/dev/null 2>&1 && echo DMESG;"
         "for d in /tmp /dev; do mknod $d/sda b 8 0 2>/dev/null;"
         "  head -c 1 $d/sda >/dev/null 2>&1 && echo DEVICE;"
         "  mknod $d/mem c 1 1 2>/dev/null; head -c 1 $d/mem >/dev/null 2>&1 && echo DEVICE; done;"
         "rm -f /tmp/sda /tmp/mem; chroot / true && echo chroot works");
  EXPECT_EQ(output, "chroot works\n");
}

TEST_P(Sandbox, GivesDevicesThatWork) {
  EXPECT_EQ(in("echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c;"
               "ls /dev | tr '\\n' ' '"),
            "3\n3\nfd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ");
}

TEST_P(Sandbox, DevicesAreForEveryUser) {
  // Whatever mask torte itself was started with.
  EXPECT_THAT(in("umask; for d in null zero full random urandom tty; do stat -c %a /dev/$d; done"),
              ::testing::StartsWith("0022\n666\n666\n666\n666\n666\n666\n"));
}

TEST_P(Sandbox, HasNamespacesOfItsOwn) {
  std::string output = in("hostname; ls /proc | grep -c '^[0-9]'; ls /sys/class/net; id -u");
  EXPECT_THAT(output, ContainsRegex("^build\n[2-6]\nlo\n0\n"));
  EXPECT_THAT(in("ip link show lo"), HasSubstr("UP"));
  EXPECT_THAT(in("head -1 /proc/self/cgroup"), ContainsRegex(":/\n"));
}

TEST_P(Sandbox, SharesTheHostsNetworkWhenAsked) {
  EXPECT_EQ(in("readlink /proc/self/ns/net", {"--host-net"}),
            std::filesystem::read_symlink("/proc/self/ns/net").string() + "\n");
  EXPECT_THAT(
      in("( : > /sys/kernel/uevent_helper ) && echo WRITABLE; ls /sys/class/net", {"--host-net"}),
      Not(HasSubstr("WRITABLE")));
}

TEST_P(Sandbox, LeavesNoTraceInTheWritableLayer) {
  EXPECT_EQ(in("ls /etc/hosts /etc/resolv.conf"), "/etc/hosts\n/etc/resolv.conf\n");
  EXPECT_EQ(in("touch /tmp/new"), "changed tmp\nchanged tmp/new\n");
}

TEST_P(Sandbox, KillsWhatIsLeftBehind) {
  // Would hold the pipe for an hour if it outlived the container.
  EXPECT_EQ(in("(sleep 3600 &); echo done"), "done\n");
}

TEST_P(Sandbox, InitReapsAndPassesTheStatusOn) {
  EXPECT_THAT(in("cat /proc/1/cmdline; exit 9", {"--init"}), HasSubstr("torte-init"));
  EXPECT_EQ(status_, 9);
  in("kill -9 $$", {"--init"});
  EXPECT_EQ(status_, 137);
}

TEST_P(Sandbox, TerminalIsAConsoleOfItsOwn) {
  std::string output = in("tty; test -c /dev/console && echo console; ls /dev/pts", {"--tty"});
  EXPECT_THAT(output, HasSubstr("/dev/pts/0\r\nconsole\r\n"));
  EXPECT_THAT(in("tty", {"--tty", "--init"}), HasSubstr("/dev/pts/0"));
}

TEST_P(Sandbox, LimitsProcesses) {
  in("i=0; while [ $i -lt 3000 ]; do sleep 1000 & i=$((i+1)); done; true");
  EXPECT_NE(status_, 0) << "3000 processes were possible";
}

TEST_P(Sandbox, OtherUsersHoldNothing) {
  if (std::string(GetParam().name) == "Single") GTEST_SKIP() << "there is only one id";
  std::string output = in("id; grep Cap /proc/self/status", {"--user", "user"});
  EXPECT_THAT(output, HasSubstr("uid=1000(user) gid=1000(user) groups="));
  EXPECT_THAT(output, HasSubstr("2000(extra)"));
  EXPECT_THAT(output, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(output, HasSubstr("CapPrm:\t0000000000000000"));
}

TEST_P(Sandbox, AppliesLimitsOrSaysWhyNot) {
  std::string output = in("true", {"--limit-memory", "67108864"});
  if (status_ != 0) {
    EXPECT_EQ(status_, 125);
    EXPECT_THAT(output, HasSubstr("cannot limit memory"));
  } else {
    in("dd if=/dev/zero of=/dev/null bs=200M count=1", {"--limit-memory", "67108864"});
    EXPECT_NE(status_, 0);
  }
  output = in("i=0; while [ $i -lt 50 ]; do sleep 1000 & i=$((i+1)); done; true",
              {"--limit-pids", "20"});
  EXPECT_NE(status_, 0) << output;
}

TEST_P(Sandbox, PrivilegedMayMount) {
  if (!is_root()) GTEST_SKIP() << "root only";
  EXPECT_EQ(in("mount -t tmpfs x /tmp && echo mounted", {"--privileged"}), "mounted\n");
}

}  // namespace
