#include "runner/launch/seccomp.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/runner/launch/bpf_verdict.h"

namespace {

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kUnknown = SECCOMP_RET_ERRNO | ENOSYS;

#if defined(__x86_64__)
uint32_t call(int number, std::vector<uint64_t> arguments = {}, launch::Capabilities more = 0,
              uint32_t architecture = AUDIT_ARCH_X86_64) {
  static const std::string plain = launch::seccomp_program(launch::default_capabilities());
  seccomp_data data = {};
  data.nr = number;
  data.arch = architecture;
  for (size_t i = 0; i < arguments.size(); ++i) data.args[i] = arguments[i];
  if (more != 0)
    return verdict(launch::seccomp_program(launch::default_capabilities() | more), data);
  return verdict(plain, data);
}

TEST(Seccomp, AllowsOrdinaryCalls) {
  for (int number : {SYS_read, SYS_execve, SYS_openat, SYS_ptrace, SYS_fork, SYS_vfork, SYS_mkdir,
                     SYS_process_vm_readv, SYS_modify_ldt, SYS_arch_prctl, SYS_setuid, SYS_prctl,
                     SYS_capset, SYS_seccomp, SYS_chroot, SYS_statx, SYS_openat2, SYS_futex})
    EXPECT_EQ(call(number), kAllow) << number;
}

TEST(Seccomp, RefusesPrivilegedCallsUnlessTheCapabilityIsHeld) {
  for (int number : {SYS_mount, SYS_umount2, SYS_pivot_root, SYS_fsopen, SYS_move_mount,
                     SYS_open_tree, SYS_unshare, SYS_setns, SYS_bpf, SYS_syslog, SYS_sethostname,
                     SYS_quotactl, SYS_perf_event_open}) {
    EXPECT_EQ(call(number), kRefuse) << number;
    EXPECT_EQ(call(number, {}, 1ull << CAP_SYS_ADMIN), kAllow) << number;
  }
  EXPECT_EQ(call(SYS_open_by_handle_at), kRefuse);
  EXPECT_EQ(call(SYS_reboot, {}, 1ull << CAP_SYS_BOOT), kAllow);
  EXPECT_EQ(call(SYS_settimeofday), kRefuse);
  EXPECT_EQ(call(SYS_get_mempolicy, {}, 1ull << CAP_SYS_NICE), kAllow);
}

TEST(Seccomp, RefusesSomeCallsToEverybody) {
  constexpr launch::Capabilities kAll = ~0ull;
  for (int number : {SYS_add_key, SYS_keyctl, SYS_request_key, SYS_userfaultfd, SYS_io_uring_setup,
                     SYS_kexec_load, SYS_swapon, SYS_move_pages})
    EXPECT_EQ(call(number, {}, kAll), kRefuse) << number;
  EXPECT_EQ(call(SYS_clone3, {}, kAll), kUnknown);
}

TEST(Seccomp, NewCallsDoNotExist) {
  EXPECT_EQ(call(1000), kUnknown);
  EXPECT_EQ(call(-1), kUnknown);
}

TEST(Seccomp, EveryNumberFollowsThePolicy) {
  // Number: the capability that allows it, or none that does.
  std::map<int, std::optional<int>> refused;
  auto refuse = [&](std::optional<int> capability, std::initializer_list<int> numbers) {
    for (int number : numbers) refused[number] = capability;
  };
  refuse(CAP_SYS_ADMIN, {SYS_mount,           SYS_umount2,       SYS_pivot_root,
                         SYS_fsopen,          SYS_fsconfig,      SYS_fsmount,
                         SYS_fspick,          SYS_open_tree,     SYS_move_mount,
                         SYS_mount_setattr,   SYS_unshare,       SYS_setns,
                         SYS_sethostname,     SYS_setdomainname, SYS_bpf,
                         SYS_perf_event_open, SYS_quotactl,      443 /* quotactl_fd */,
                         SYS_lookup_dcookie,  SYS_fanotify_init, SYS_syslog});
  refuse(CAP_DAC_READ_SEARCH, {SYS_open_by_handle_at});
  refuse(CAP_SYS_MODULE, {SYS_init_module, SYS_finit_module, SYS_delete_module});
  refuse(CAP_SYS_BOOT, {SYS_reboot});
  refuse(CAP_SYS_RAWIO, {SYS_iopl, SYS_ioperm});
  refuse(CAP_SYS_TIME, {SYS_settimeofday, SYS_clock_settime});
  refuse(CAP_SYS_PTRACE, {SYS_kcmp, SYS_pidfd_getfd, SYS_process_madvise});
  refuse(CAP_SYS_PACCT, {SYS_acct});
  refuse(CAP_SYS_TTY_CONFIG, {SYS_vhangup});
  refuse(CAP_SYS_NICE, {SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy, 450});
  refuse(std::nullopt, {SYS_add_key,
                        SYS_request_key,
                        SYS_keyctl,
                        SYS_userfaultfd,
                        SYS_io_uring_setup,
                        SYS_io_uring_enter,
                        SYS_io_uring_register,
                        SYS_kexec_load,
                        SYS_kexec_file_load,
                        SYS_swapon,
                        SYS_swapoff,
                        SYS_move_pages,
                        SYS_migrate_pages,
                        SYS_nfsservctl,
                        SYS_uselib,
                        SYS_ustat,
                        SYS_sysfs,
                        SYS__sysctl,
                        SYS_afs_syscall,
                        SYS_create_module,
                        SYS_get_kernel_syms,
                        SYS_getpmsg,
                        SYS_putpmsg,
                        SYS_query_module,
                        SYS_security,
                        SYS_tuxcall,
                        SYS_vserver,
                        SYS_epoll_ctl_old,
                        SYS_epoll_wait_old});
  for (int hole = 335; hole < 424; ++hole) refuse(std::nullopt, {hole});
  const std::string held = launch::seccomp_program(~0ull);
  for (int number = 0; number <= 450; ++number) {
    // socket, clone and others are decided by arguments: zeros are harmless.
    const auto found = refused.find(number);
    const uint32_t expected = number == SYS_clone3     ? kUnknown
                              : found == refused.end() ? kAllow
                                                       : kRefuse;
    EXPECT_EQ(call(number), expected) << number;
    seccomp_data data = {};
    data.nr = number;
    data.arch = AUDIT_ARCH_X86_64;
    const bool never = found != refused.end() && !found->second;
    EXPECT_EQ(verdict(held, data), number == SYS_clone3 ? kUnknown
                                   : never              ? kRefuse
                                                        : kAllow)
        << number;
    if (found != refused.end() && found->second) {
      EXPECT_EQ(call(number, {}, 1ull << *found->second), kAllow) << number;
    }
  }
}

TEST(Seccomp, LooksAtArguments) {
  EXPECT_EQ(call(SYS_clone, {SIGCHLD}), kAllow);
  for (uint64_t flag : {0x00020000ull, 0x02000000ull, 0x10000000ull, 0x20000000ull, 0x40000000ull})
    EXPECT_EQ(call(SYS_clone, {flag | SIGCHLD}), kRefuse) << flag;
  for (uint64_t family : {0ull, 1ull, 2ull, 10ull, 16ull, 37ull, 39ull, 41ull})
    EXPECT_EQ(call(SYS_socket, {family}), kAllow) << family;
  EXPECT_EQ(call(SYS_socket, {38}), kRefuse);
  EXPECT_EQ(call(SYS_socket, {40}), kRefuse);
  EXPECT_EQ(call(SYS_socket, {0x100000026}), kRefuse) << "the kernel looks at the low half only";
  for (uint64_t value : {0ull, 8ull, 0x20000ull, 0x20008ull, 0xffffffffull})
    EXPECT_EQ(call(SYS_personality, {value}), kAllow) << value;
  EXPECT_EQ(call(SYS_personality, {0x0040000}), kRefuse);
  EXPECT_EQ(call(SYS_ioctl, {0, 0x5412}), kRefuse);
  EXPECT_EQ(call(SYS_ioctl, {0, 0x541c}), kRefuse);
  EXPECT_EQ(call(SYS_ioctl, {0, 0x5413}), kAllow);
}

TEST(Seccomp, NodesOfForeignDevicesCannotBeMade) {
  EXPECT_EQ(call(SYS_mknod, {0, S_IFIFO | 0644, 0}), kAllow);
  EXPECT_EQ(call(SYS_mknod, {0, 0644, 0x800}), kAllow);
  EXPECT_EQ(call(SYS_mknod, {0, S_IFCHR | 0644, 0}), kAllow);
  EXPECT_EQ(call(SYS_mknod, {0, S_IFCHR | 0644, 0x103}), kAllow);
  EXPECT_EQ(call(SYS_mknod, {0, S_IFCHR | 0644, 0x8805}), kAllow);
  EXPECT_EQ(call(SYS_mknod, {0, S_IFCHR | 0644, 0x101}), kRefuse);
  EXPECT_EQ(call(SYS_mknod, {0, S_IFBLK | 0644, 0x800}), kRefuse);
  EXPECT_EQ(call(SYS_mknodat, {0, 0, S_IFBLK | 0644, 0x103}), kRefuse);
  EXPECT_EQ(call(SYS_mknodat, {0, 0, S_IFSOCK | 0644, 0}), kAllow);
}

TEST(Seccomp, OtherArchitecturesFollowTheSamePolicy) {
  constexpr int kI386Mount = 21, kI386Read = 3, kI386SocketCall = 102, kX32 = 0x40000000;
  EXPECT_EQ(call(kI386Read, {}, 0, AUDIT_ARCH_I386), kAllow);
  EXPECT_EQ(call(kI386Mount, {}, 0, AUDIT_ARCH_I386), kRefuse);
  EXPECT_EQ(call(kI386SocketCall, {1}, 0, AUDIT_ARCH_I386), kRefuse);
  EXPECT_EQ(call(kI386SocketCall, {3}, 0, AUDIT_ARCH_I386), kAllow);
  EXPECT_EQ(call(kX32 | SYS_read), kAllow);
  EXPECT_EQ(call(kX32 | SYS_mount), kRefuse);
  EXPECT_EQ(call(SYS_read, {}, 0, AUDIT_ARCH_PPC64LE), SECCOMP_RET_KILL_PROCESS);
}
#endif

}  // namespace
