// Operations on the process itself: namespaces, terminal, identity, limits; and its last one.

#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "runner/launch/init/state.h"
#include "runner/launch/init/syscalls.h"

namespace launch::init {

using kernel::call;

void report(const State& state, const wire::Status& status, int fd) {
  iovec part = {const_cast<wire::Status*>(&status), sizeof status};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    *reinterpret_cast<int*>(CMSG_DATA(header)) = fd;
  }
  call(SYS_sendmsg, state.status_socket, &message, MSG_NOSIGNAL);
}

namespace {

constexpr int kSignals = 64;

// The kernel's own sigaction, which is not the C library's.
struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

long reset_signals() {
  KernelAction action = {};
  for (int number = 1; number <= kSignals; ++number) {
    if (number != SIGKILL && number != SIGSTOP)
      call(SYS_rt_sigaction, number, &action, 0, sizeof action.mask);
  }
  uint64_t none = 0;
  return call(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
}

long wait_for_parent(const State& state) {
  char byte;
  long n = call(SYS_read, state.status_socket, &byte, 1);
  return n < 0 ? n : n == 0 ? -EPIPE : 0;
}

/// Only children enter a joined pid namespace. The child becomes torte's own, so that torte can
/// wait for it, and we are done.
long split_off(const State& state) {
  constexpr long kParent = 0x8000;  // CLONE_PARENT
  long pid = call(SYS_clone, kParent | SIGCHLD);
  if (pid <= 0) return pid;
  report(state, {wire::Status::kSplitOff, static_cast<uint32_t>(pid), 0});
  kernel::exit(0);
}

long loopback_up() {
  long fd = call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  ifreq request = {};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  constexpr long kSetFlags = 0x8914;  // SIOCSIFFLAGS
  long error = call(SYS_ioctl, fd, kSetFlags, &request);
  call(SYS_close, fd);
  return error;
}

long set_limit(const wire::Operation& op) {
  struct {
    uint64_t soft, hard;
  } wanted = {op.x, op.y}, now = {};
  long error = call(SYS_prlimit64, 0, op.c, &wanted);
  if (error != -EPERM || op.d == 0) return error;
  error = call(SYS_prlimit64, 0, op.c, 0, &now);
  if (error < 0) return error;
  if (wanted.hard > now.hard) wanted.hard = now.hard;
  if (wanted.soft > wanted.hard) wanted.soft = wanted.hard;
  return call(SYS_prlimit64, 0, op.c, &wanted);
}

long open_terminal(State& state, const wire::Operation& op) {
  constexpr long kReadWrite = 02, kNoControl = 0400, kCloseOnExec = 02000000;
  long master = call(SYS_openat, state.slots[op.b], "ptmx", kReadWrite | kNoControl | kCloseOnExec);
  if (master < 0) return master;
  int unlocked = 0;
  long error = call(SYS_ioctl, master, TIOCSPTLCK, &unlocked);
  if (error < 0) return error;
  long terminal = call(SYS_ioctl, master, TIOCGPTPEER, kReadWrite | kNoControl | kCloseOnExec);
  if (terminal < 0) return terminal;
  struct {
    unsigned short rows, columns, x, y;
  } size = {static_cast<unsigned short>(op.c), static_cast<unsigned short>(op.d), 0, 0};
  if (op.c > 0) call(SYS_ioctl, master, TIOCSWINSZ, &size);
  call(SYS_fchown, terminal, op.x, -1);
  report(state, {wire::Status::kTerminal, 0, 0}, static_cast<int>(master));
  call(SYS_close, master);
  error = call(SYS_setsid);
  if (error >= 0) error = call(SYS_ioctl, terminal, TIOCSCTTY, 0);
  for (long fd = 0; fd < 3 && error >= 0; ++fd) error = call(SYS_dup3, terminal, fd, 0);
  state.slots[op.a] = static_cast<int>(terminal);
  return error;
}

/// The descriptor may have been opened before the pivot; a directory outside the root shows as a
/// path that does not begin with "/" (CVE-2024-21626).
long change_directory(State& state, const wire::Operation& op) {
  long error = call(SYS_fchdir, state.slots[op.a]);
  if (error < 0) return error;
  char path[4096];
  error = call(SYS_getcwd, path, sizeof path);
  if (error == -ENAMETOOLONG || error == -ERANGE) return 0;
  return error < 0 ? error : path[0] == '/' ? 0 : -EXDEV;
}

long keep_bounding_set(uint64_t keep) {
  for (long capability = 0; capability < 64; ++capability) {
    if ((keep >> capability & 1) != 0) continue;
    long is_set = call(SYS_prctl, PR_CAPBSET_READ, capability);
    if (is_set < 0) break;
    if (is_set == 0) continue;
    long error = call(SYS_prctl, PR_CAPBSET_DROP, capability);
    if (error < 0) return error;
  }
  return 0;
}

/// Inheritable and ambient end empty (CVE-2022-29162). A user other than root keeps nothing, which
/// the kernel sees to when the last user id leaves 0.
long set_identity(const wire::Operation& op) {
  long error = call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  if (error < 0) return error;
  error = call(SYS_setresgid, op.d, op.d, op.d);
  if (error >= 0) error = call(SYS_setresuid, op.c, op.c, op.c);
  if (error < 0) return error;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct now[2] = {};
  error = call(SYS_capget, &header, now);
  if (error < 0) return error;
  uint64_t have = now[0].permitted | static_cast<uint64_t>(now[1].permitted) << 32;
  uint64_t keep = have & op.x;
  __user_cap_data_struct wanted[2] = {};
  wanted[0].permitted = wanted[0].effective = static_cast<uint32_t>(keep);
  wanted[1].permitted = wanted[1].effective = static_cast<uint32_t>(keep >> 32);
  return call(SYS_capset, &header, wanted);
}

long load_filter(const wire::Operation& op, const char* text) {
  sock_fprog program = {};
  program.len = static_cast<unsigned short>(op.text_size / sizeof(sock_filter));
  program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(text));
  return call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
}

long die_with_parent(const State& state) {
  long error = call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (error < 0) return error;
  // It may have died before; then its side of the socket is closed.
  pollfd entry = {state.status_socket, 0, 0};
  struct {
    long seconds, nanoseconds;
  } now = {};
  if (call(SYS_ppoll, &entry, 1, &now) > 0 && (entry.revents & POLLHUP) != 0) kernel::exit(125);
  return 0;
}

/// They may stand in each other's way, and the status socket in theirs: all go above first.
long pass_on(State& state, const wire::Operation& op, const char* text) {
  constexpr int kFirst = 3;
  const auto* slots = reinterpret_cast<const int32_t*>(text);
  const int count = static_cast<int>(op.text_size / sizeof(int32_t));
  long socket = call(SYS_fcntl, state.status_socket, F_DUPFD_CLOEXEC, kFirst + count);
  if (socket < 0) return socket;
  state.status_socket = static_cast<int>(socket);
  for (int i = 0; i < count; ++i) {
    long above = call(SYS_fcntl, state.slots[slots[i]], F_DUPFD_CLOEXEC, kFirst + count);
    if (above < 0) return above;
    state.slots[slots[i]] = static_cast<int>(above);
  }
  for (int i = 0; i < count; ++i) {
    long error = call(SYS_dup3, state.slots[slots[i]], kFirst + i, 0);
    if (error < 0) return error;
  }
  return 0;
}

}  // namespace

long do_process_operation(State& state, const wire::Operation& op, const char* text) {
  switch (op.kind) {
    case wire::Kind::kResetSignals:
      return reset_signals();
    case wire::Kind::kWaitForParent:
      return wait_for_parent(state);
    case wire::Kind::kUnshare:
      return call(SYS_unshare, op.x);
    case wire::Kind::kSetNamespace:
      return call(SYS_setns, state.slots[op.a], op.x);
    case wire::Kind::kSplitOff:
      return split_off(state);
    case wire::Kind::kHideFromOthers:
      return call(SYS_prctl, PR_SET_DUMPABLE, 0);
    case wire::Kind::kHostname:
      return call(SYS_sethostname, text, op.text_size - 1);
    case wire::Kind::kDomainname:
      return call(SYS_setdomainname, text, op.text_size - 1);
    case wire::Kind::kLoopbackUp:
      return loopback_up();
    case wire::Kind::kSessionKeyring:
      return call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING);
    case wire::Kind::kLimit:
      return set_limit(op);
    case wire::Kind::kNewSession:
      return call(SYS_setsid);
    case wire::Kind::kTerminal:
      return open_terminal(state, op);
    case wire::Kind::kChangeDirectory:
      return change_directory(state, op);
    case wire::Kind::kUmask:
      return call(SYS_umask, op.c);
    case wire::Kind::kBoundingSet:
      return keep_bounding_set(op.x);
    case wire::Kind::kGroups:
      return call(SYS_setgroups, static_cast<long>(op.text_size / sizeof(gid_t)), text);
    case wire::Kind::kIdentity:
      return set_identity(op);
    case wire::Kind::kNoNewPrivileges:
      return call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1);
    case wire::Kind::kSeccomp:
      return load_filter(op, text);
    case wire::Kind::kDieWithParent:
      return die_with_parent(state);
    case wire::Kind::kAwaitStart:
      report(state, {wire::Status::kReady, 0, 0});
      return wait_for_parent(state);
    case wire::Kind::kPassOn:
      return pass_on(state, op, text);
    default:
      return -EINVAL;
  }
}

}  // namespace launch::init
