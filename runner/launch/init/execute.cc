// The last operation: become the program, or start it and stay as process 1.

#include <asm/ioctls.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <linux/wait.h>
#include <signal.h>

#include "runner/launch/init/state.h"
#include "runner/launch/init/syscalls.h"

namespace launch::init {

namespace {

using kernel::call;

constexpr size_t kMaxPath = 4096;
constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const char* find_path(char** environment) {
  for (; *environment != nullptr; ++environment) {
    const char* entry = *environment;
    if (entry[0] == 'P' && entry[1] == 'A' && entry[2] == 'T' && entry[3] == 'H' && entry[4] == '=')
      return entry + 5;
  }
  return kDefaultPath;
}

bool has_slash(const char* name) {
  for (; *name != '\0'; ++name)
    if (*name == '/') return true;
  return false;
}

/// "dir/name", with "." for an empty directory as every shell has it. False when it is too long.
bool join(char* out, const char* directory, size_t size, const char* name) {
  size_t name_size = kernel::length(name);
  if (size + name_size + 3 > kMaxPath) return false;
  size_t at = 0;
  if (size == 0) out[at++] = '.';
  for (size_t i = 0; i < size; ++i) out[at++] = directory[i];
  out[at++] = '/';
  for (size_t i = 0; i <= name_size; ++i) out[at++] = name[i];
  return true;
}

long execute_found(char** arguments, char** environment) {
  if (arguments[0][0] == '\0') return -ENOENT;
  if (has_slash(arguments[0])) return call(SYS_execve, arguments[0], arguments, environment);
  long result = -ENOENT;
  const char* directory = find_path(environment);
  for (;;) {
    size_t size = 0;
    while (directory[size] != '\0' && directory[size] != ':') ++size;
    char path[kMaxPath];
    if (join(path, directory, size, arguments[0])) {
      long error = call(SYS_execve, path, arguments, environment);
      if (error == -EACCES)
        result = error;
      else if (error != -ENOENT && error != -ENOTDIR && error != -ELOOP && error != -ENAMETOOLONG)
        return error;
    }
    if (directory[size] == '\0') return result;
    directory += size + 1;
  }
}

// --- process 1 -----------------------------------------------------------------------------------

/// Reaps until the program ends; returns the status to leave with, or -1 to go on.
int reap(long program) {
  for (;;) {
    int status = 0;
    constexpr long kAnyChild = -1;
    long pid = call(SYS_wait4, kAnyChild, &status, WNOHANG);
    if (pid <= 0) return -1;
    if (pid != program) continue;
    int signal = status & 0x7f;
    return signal != 0 ? 128 + signal : status >> 8 & 0xff;
  }
}

[[noreturn]] void be_init(long program) {
  const uint64_t all = ~0ull;
  for (;;) {
    siginfo_t info = {};
    long number = call(SYS_rt_sigtimedwait, &all, &info, 0, sizeof all);
    if (number == -EINTR) continue;
    if (number < 0) kernel::exit(125);
    if (number == SIGCHLD) {
      int status = reap(program);
      if (status >= 0) kernel::exit(status);
    } else if (number != SIGTTOU && number != SIGTTIN) {
      call(SYS_kill, program, number);
    }
  }
}

/// Returns in the program's process; the other one stays here for good.
long split_off_init() {
  uint64_t all = ~0ull, none = 0;
  call(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof all);
  long program = call(SYS_clone, SIGCHLD);
  if (program < 0) return program;
  if (program > 0) {
    call(SYS_prctl, PR_SET_DUMPABLE, 0);
    call(SYS_prctl, PR_SET_NAME, "torte-init");
    call(SYS_close_range, 0, ~0u, 0);
    be_init(program);
  }
  // Its own group, in the foreground of the terminal if there is one: the keyboard's signals then
  // reach the program and not us.
  call(SYS_setpgid, 0, 0);
  int group = static_cast<int>(call(SYS_getpid));
  call(SYS_ioctl, 0, TIOCSPGRP, &group);
  call(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
  return 0;
}

}  // namespace

long execute(const wire::Operation& op, const char* text) {
  // Pointers to the strings, in pages of their own: there may be a hundred thousand.
  size_t count = static_cast<size_t>(op.c) + static_cast<size_t>(op.d) + 2;
  long pages = kernel::map_memory(static_cast<long>(count * sizeof(char*)));
  if (pages < 0) return pages;
  auto** arguments = reinterpret_cast<char**>(pages);
  char** environment = arguments + op.c + 1;
  auto* next = const_cast<char*>(text);
  for (int32_t i = 0; i < op.c; ++i, next += kernel::length(next) + 1) arguments[i] = next;
  for (int32_t i = 0; i < op.d; ++i, next += kernel::length(next) + 1) environment[i] = next;
  const long first = 3 + static_cast<long>(op.y);
  long error = call(SYS_close_range, first, ~0u, CLOSE_RANGE_CLOEXEC);
  if (error < 0) return error;
  if (op.x != 0) {
    error = split_off_init();
    if (error < 0) return error;
  }
  return execute_found(arguments, environment);
}

}  // namespace launch::init
