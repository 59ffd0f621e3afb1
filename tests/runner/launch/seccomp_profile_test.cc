#include "runner/launch/seccomp_profile.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include <cerrno>

#include "base/error.h"
#include "runner/launch/seccomp.h"
#include "tests/runner/launch/bpf_verdict.h"

namespace {

#if defined(__x86_64__)
uint32_t call(const std::string& profile, int number, std::vector<uint64_t> arguments = {},
              launch::Capabilities capabilities = launch::default_capabilities()) {
  seccomp_data data = {};
  data.nr = number;
  data.arch = AUDIT_ARCH_X86_64;
  for (size_t i = 0; i < arguments.size(); ++i) data.args[i] = arguments[i];
  return verdict(launch::compile_seccomp_profile(profile, capabilities), data);
}

std::string with_rules(const std::string& rules) {
  return R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
             "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
             "syscalls": [)" +
         rules + "]}";
}

TEST(SeccompProfile, NamesHaveTheirActionAndTheOthersTheDefault) {
  const std::string profile = with_rules(
      R"({"names": ["read", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
         {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
         {"names": ["reboot"], "action": "SCMP_ACT_KILL_PROCESS"},
         {"name": "write", "action": "SCMP_ACT_LOG"})");
  EXPECT_EQ(call(profile, SYS_read), SECCOMP_RET_ALLOW);
  EXPECT_EQ(call(profile, SYS_mkdir), SECCOMP_RET_ERRNO | EACCES);
  EXPECT_EQ(call(profile, SYS_reboot), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(call(profile, SYS_write), SECCOMP_RET_LOG);
  EXPECT_EQ(call(profile, SYS_openat), SECCOMP_RET_ERRNO | ENOSYS);
}

TEST(SeccompProfile, ComparesArguments) {
  const std::string profile = with_rules(
      R"({"names": ["personality"], "action": "SCMP_ACT_ALLOW",
          "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
         {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
          "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]})");
  EXPECT_EQ(call(profile, SYS_personality, {8}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(call(profile, SYS_personality, {9}), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(call(profile, SYS_clone, {17}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(call(profile, SYS_clone, {0x10000000}), SECCOMP_RET_ERRNO | ENOSYS);
}

TEST(SeccompProfile, ConditionsAskForCapabilitiesArchitectureAndKernel) {
  const std::string profile = with_rules(
      R"({"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
         {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
         {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
         {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
         {"names": ["modify_ldt"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
         {"names": ["statx"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "999.0"}})");
  constexpr launch::Capabilities kAdmin = 1ull << CAP_SYS_ADMIN;
  EXPECT_EQ(call(profile, SYS_mount), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(call(profile, SYS_mount, {}, kAdmin), SECCOMP_RET_ALLOW);
  EXPECT_EQ(call(profile, SYS_chroot), SECCOMP_RET_ALLOW);
  EXPECT_EQ(call(profile, SYS_chroot, {}, kAdmin), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(call(profile, SYS_ptrace), SECCOMP_RET_ALLOW);
  EXPECT_EQ(call(profile, SYS_arch_prctl), SECCOMP_RET_ALLOW);
  EXPECT_EQ(call(profile, SYS_modify_ldt), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(call(profile, SYS_statx), SECCOMP_RET_ERRNO | ENOSYS);
}

TEST(SeccompProfile, TheDefaultSaysWhatTheFilterDoes) {
  for (const launch::Capabilities capabilities :
       {launch::default_capabilities(),
        launch::Capabilities{launch::default_capabilities() | 1ull << CAP_SYS_ADMIN |
                             1ull << CAP_SYS_TIME}}) {
    const std::string theirs = launch::compile_seccomp_profile(
        launch::default_seccomp_profile(capabilities), capabilities);
    const std::string ours = launch::seccomp_program(capabilities);
    // Namespaces, terminals' tricks, families, kinds of nodes and harmless values.
    for (const uint64_t first : {0ull, 1ull, 8ull, 17ull, 38ull, 39ull, 40ull, 0x10000000ull})
      for (const uint64_t second :
           {0ull, 0x5401ull, 0x5412ull, 0x5413ull, 0x541cull, 0x2180ull, 0x6180ull})
        for (const uint64_t third : {0ull, 0x103ull, 0x801ull, 0x8801ull})
          for (int number = 0; number < 600; ++number) {
            seccomp_data data = {};
            data.nr = number;
            data.arch = AUDIT_ARCH_X86_64;
            data.args[0] = first;
            data.args[1] = second;
            data.args[2] = third;
            ASSERT_EQ(verdict(theirs, data) == SECCOMP_RET_ALLOW,
                      verdict(ours, data) == SECCOMP_RET_ALLOW)
                << number << " " << first << " " << second << " " << third;
          }
  }
}
#endif

TEST(SeccompProfile, MistakesAreNamed) {
  const char* const kWrong[] = {
      "",
      "[]",
      "{}",
      R"({"defaultAction": "SCMP_ACT_DANCE"})",
      R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_ERRNO"}]})",
      R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"]}]})",
      R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99999}]})",
      R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}]})",
      R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "op": "SCMP_CMP_HUGE"}]}]})",
      R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]})"};
  for (const char* text : kWrong)
    EXPECT_THROW(launch::compile_seccomp_profile(text, 0), base::Error) << text;
}

}  // namespace
