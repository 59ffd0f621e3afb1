#include "runner/launch/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"

// The launcher, linked into torte as it is (launcher_image.S).
extern "C" const std::byte torte_launcher_begin[];
extern "C" const std::byte torte_launcher_end[];

namespace launch {

namespace {

/// Sealed, so that a process in a container that gets hold of /proc/PID/exe can change nothing.
/// Made once; the file lives as long as torte does. (CVE-2019-5736)
int launcher_file() {
  static const sys::UniqueFd file = sys::sealed_memfd(
      "torte-init",
      {torte_launcher_begin, static_cast<size_t>(torte_launcher_end - torte_launcher_begin)});
  return file.get();
}

/// Everything the child needs, prepared beforehand: between clone and execve it shares our memory,
/// so it only makes system calls.
struct Child {
  int stdio[3];
  int stdio_high[3];
  int launcher;
  const int* keep;
  size_t keep_count;
  char* const* argv;
  char* const* environment;
  int error;
};

int run_child(void* data) {
  auto* child = static_cast<Child*>(data);
  // Out of the way first: the wanted descriptors may themselves be among 0, 1 and 2.
  for (int i = 0; i < 3; ++i) {
    child->stdio_high[i] = ::fcntl(child->stdio[i], F_DUPFD_CLOEXEC, 3);
    if (child->stdio_high[i] < 0) goto failed;
  }
  for (int i = 0; i < 3; ++i)
    if (::dup2(child->stdio_high[i], i) < 0) goto failed;
  for (size_t i = 0; i < child->keep_count; ++i)
    if (::fcntl(child->keep[i], F_SETFD, 0) < 0) goto failed;
  ::syscall(SYS_execveat, child->launcher, "", child->argv, child->environment, AT_EMPTY_PATH);
failed:
  child->error = errno;
  ::_exit(125);
}

#if defined(__x86_64__)
/// clone3(2) with CLONE_VM on a stack of its own; the child calls function(data) and never returns.
__attribute__((noinline)) long clone3_on_stack(clone_args* arguments, int (*function)(void*),
                                               void* data) {
  long result;
  register int (*f)(void*) asm("r12") = function;
  register void* d asm("r13") = data;
  asm volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "mov %%r13, %%rdi\n"
      "call *%%r12\n"
      "hlt\n"
      "1:\n"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(arguments), "S"(sizeof *arguments), "r"(f), "r"(d)
      : "rcx", "r11", "memory");
  return result;
}
#else
long clone3_on_stack(clone_args* arguments, int (*function)(void*), void* data) {
  if ((arguments->flags & CLONE_INTO_CGROUP) != 0) {
    errno = ENOSYS;
    return -ENOSYS;
  }
  auto* top = reinterpret_cast<char*>(arguments->stack) + arguments->stack_size;
  int pid = ::clone(function, top, static_cast<int>(arguments->flags | arguments->exit_signal),
                    data, reinterpret_cast<int*>(arguments->pidfd));
  return pid < 0 ? -errno : pid;
}
#endif

/// Memory for the child's stack until it has its own.
class Stack {
 public:
  Stack()
      : memory_(::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (memory_ == MAP_FAILED) base::throw_errno("map stack");
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() { ::munmap(memory_, kSize); }
  uint64_t address() const { return reinterpret_cast<uint64_t>(memory_); }
  static constexpr size_t kSize = 64 << 10;

 private:
  void* memory_;
};

/// No handler of ours may run in the child, which shares our memory.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

sys::Process start(Child& child, const SpawnOptions& options) {
  Stack stack;
  int pidfd = -1;
  clone_args arguments = {};
  arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | options.namespaces;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  arguments.stack = stack.address();
  arguments.stack_size = Stack::kSize;
  if (options.cgroup >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(options.cgroup);
  }
  BlockedSignals blocked;
  long pid = clone3_on_stack(&arguments, run_child, &child);
  if (pid < 0) throw base::SystemError("create container namespaces", static_cast<int>(-pid));
  return sys::Process(static_cast<pid_t>(pid), sys::UniqueFd(pidfd));
}

sys::UniqueFd plan_file(const Plan& plan) {
  std::string bytes = plan.encode();
  sys::UniqueFd file(::memfd_create("torte-plan", MFD_CLOEXEC));
  if (!file) base::throw_errno("create plan file");
  sys::write_all(file.get(), base::as_bytes(bytes), "plan file");
  return file;
}

}  // namespace

Spawned spawn(const Plan& plan, const SpawnOptions& options) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    base::throw_errno("create status socket");
  sys::UniqueFd ours(pair[0]), theirs(pair[1]);
  sys::UniqueFd file = plan_file(plan);
  std::string name = "torte-init", status = std::to_string(theirs.get()),
              plan_number = std::to_string(file.get());
  char* argv[] = {name.data(), status.data(), plan_number.data(), nullptr};
  char* environment[] = {nullptr};
  std::vector<int> keep = plan.inherited();
  keep.push_back(theirs.get());
  keep.push_back(file.get());
  sys::UniqueFd null;
  Child child = {};
  for (int i = 0; i < 3; ++i) {
    child.stdio[i] = options.stdio[i];
    if (child.stdio[i] >= 0) continue;
    if (!null) null = sys::UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) base::throw_errno("open /dev/null");
    child.stdio[i] = null.get();
  }
  child.launcher = launcher_file();
  child.keep = keep.data();
  child.keep_count = keep.size();
  child.argv = argv;
  child.environment = environment;
  Spawned spawned;
  spawned.process = start(child, options);
  spawned.status = std::move(ours);
  if (child.error != 0) throw base::SystemError("start launcher", child.error);
  return spawned;
}

}  // namespace launch
