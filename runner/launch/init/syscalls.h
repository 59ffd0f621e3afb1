#pragma once

// System calls without a C library. The launcher is a few pages long because every launch pays for
// loading it; results are the kernel's own: negative errno on failure.

#include <errno.h>  // numbers only
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>  // numbers only

namespace kernel {

#if defined(__x86_64__)
inline long raw(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long raw(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
#else
#error "add the system call instruction of this processor"
#endif

template <typename T>
long as_register(T value) {
  return static_cast<long>(value);
}
template <typename T>
long as_register(T* value) {
  return reinterpret_cast<long>(value);
}

/// call(SYS_x, arguments...): integers and pointers as the kernel wants them.
template <typename... Arguments>
long call(long number, Arguments... arguments) {
  return raw(number, as_register(arguments)...);
}

inline size_t length(const char* text) {
  size_t n = 0;
  while (text[n] != '\0') ++n;
  return n;
}

[[noreturn]] inline void exit(int status) {
  for (;;) call(SYS_exit_group, status);
}

/// mmap(2): six arguments, hence its own.
inline long map(long size, long protection, long flags, long fd) {
#if defined(__x86_64__)
  long result;
  register long r10 asm("r10") = flags;
  register long r8 asm("r8") = fd;
  register long r9 asm("r9") = 0;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(SYS_mmap), "D"(0), "S"(size), "d"(protection), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
#else
  register long x8 asm("x8") = SYS_mmap;
  register long x0 asm("x0") = 0;
  register long x1 asm("x1") = size;
  register long x2 asm("x2") = protection;
  register long x3 asm("x3") = flags;
  register long x4 asm("x4") = fd;
  register long x5 asm("x5") = 0;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory");
  return x0;
#endif
}

inline constexpr long kRead = 1, kWrite = 2, kPrivate = 2, kAnonymous = 0x20;

/// The beginning of a file, read-only.
inline long map_file(int fd, long size) { return map(size, kRead, kPrivate, fd); }
/// Fresh zeroed memory.
inline long map_memory(long size) { return map(size, kRead | kWrite, kPrivate | kAnonymous, -1); }

}  // namespace kernel
