// The system call filter as a decision tree.
//
// A BPF program that compares the number with each of 400 others costs every load of it (and,
// before Linux 5.11, every call). Calls that follow the same rule mostly have neighbouring numbers,
// so the table is a list of some hundred ranges and the program a binary search over it:
//
//   right architecture? -> number >= middle? -> ... -> leaf: allow, refuse, or look at an argument
//
// Writing the program takes a few microseconds, so there is nothing to cache.

#include "runner/launch/seccomp.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <vector>

#include "runner/launch/seccomp_rule.h"

namespace launch {

namespace {

#include "seccomp_tables.inc"

using Code = std::vector<sock_filter>;

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;

sock_filter statement(int code, uint32_t k) { return {static_cast<uint16_t>(code), 0, 0, k}; }
sock_filter jump(int code, uint32_t k, size_t yes, size_t no) {
  return {static_cast<uint16_t>(BPF_JMP | code), static_cast<uint8_t>(yes),
          static_cast<uint8_t>(no), k};
}
sock_filter result(uint32_t action) { return statement(BPF_RET | BPF_K, action); }
/// The low half of an argument: all the calls we look into take an int there.
sock_filter load_argument(uint32_t index) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  return statement(BPF_LD | BPF_W | BPF_ABS,
                   static_cast<uint32_t>(offsetof(seccomp_data, args)) + index * 8);
}

/// Returns `match` when the argument is one of `values`, else `other`.
Code by_value(uint32_t argument, std::initializer_list<uint32_t> values, uint32_t match,
              uint32_t other) {
  Code code = {load_argument(argument)};
  size_t left = values.size();
  for (uint32_t value : values) code.push_back(jump(BPF_JEQ | BPF_K, value, left--, 0));
  code.push_back(result(other));
  code.push_back(result(match));
  return code;
}

/// mknod: anything but devices, and of those the ones every container has in /dev; 0:0 is
/// overlayfs's sign for a deleted file. Block devices never: the node could be opened.
Code make_node(uint32_t mode_argument) {
  constexpr uint32_t kTerminals = 136 << 8;
  return {
      load_argument(mode_argument),
      statement(BPF_ALU | BPF_AND | BPF_K, S_IFMT),
      jump(BPF_JEQ | BPF_K, S_IFBLK, 12, 0),
      jump(BPF_JEQ | BPF_K, S_IFCHR, 0, 12),
      load_argument(mode_argument + 1),
      jump(BPF_JEQ | BPF_K, 0, 10, 0),
      jump(BPF_JEQ | BPF_K, 1 << 8 | 3, 9, 0),
      jump(BPF_JEQ | BPF_K, 1 << 8 | 5, 8, 0),
      jump(BPF_JEQ | BPF_K, 1 << 8 | 7, 7, 0),
      jump(BPF_JEQ | BPF_K, 1 << 8 | 8, 6, 0),
      jump(BPF_JEQ | BPF_K, 1 << 8 | 9, 5, 0),
      jump(BPF_JEQ | BPF_K, 5 << 8 | 0, 4, 0),
      jump(BPF_JEQ | BPF_K, 5 << 8 | 2, 3, 0),
      statement(BPF_ALU | BPF_AND | BPF_K, ~0xffu),
      jump(BPF_JEQ | BPF_K, kTerminals, 1, 0),
      result(kRefuse),
      result(kAllow),
  };
}

Code clone_without_namespaces() {
  constexpr uint32_t kNewNamespaces = 0x7e020000;
  return {load_argument(0), jump(BPF_JSET | BPF_K, kNewNamespaces, 0, 1), result(kRefuse),
          result(kAllow)};
}

Code leaf(Rule rule, Capabilities capabilities) {
  auto needs = [&](int capability) -> Code {
    return {result((capabilities >> capability & 1) != 0 ? kAllow : kRefuse)};
  };
  switch (rule) {
    case Rule::kAllow:
      return {result(kAllow)};
    case Rule::kRefuse:
      return {result(kRefuse)};
    case Rule::kUnknownToUs:
      return {result(kNoSuchCall)};
    case Rule::kNeedsSysAdmin:
      return needs(CAP_SYS_ADMIN);
    case Rule::kNeedsDacReadSearch:
      return needs(CAP_DAC_READ_SEARCH);
    case Rule::kNeedsSysModule:
      return needs(CAP_SYS_MODULE);
    case Rule::kNeedsSysBoot:
      return needs(CAP_SYS_BOOT);
    case Rule::kNeedsSysRawio:
      return needs(CAP_SYS_RAWIO);
    case Rule::kNeedsSysTime:
      return needs(CAP_SYS_TIME);
    case Rule::kNeedsSysPtrace:
      return needs(CAP_SYS_PTRACE);
    case Rule::kNeedsSysPacct:
      return needs(CAP_SYS_PACCT);
    case Rule::kNeedsSysTtyConfig:
      return needs(CAP_SYS_TTY_CONFIG);
    case Rule::kNeedsSysNice:
      return needs(CAP_SYS_NICE);
    case Rule::kNeedsSysChroot:
      return needs(CAP_SYS_CHROOT);
    case Rule::kClone:
      if ((capabilities >> CAP_SYS_ADMIN & 1) != 0) return {result(kAllow)};
      return clone_without_namespaces();
    case Rule::kSocket:
      return by_value(0, {38, 40}, kRefuse, kAllow);  // AF_ALG, AF_VSOCK
    case Rule::kSocketCall:
      return by_value(0, {1}, kRefuse, kAllow);  // SYS_SOCKET
    case Rule::kPersonality:
      return by_value(0, {0, 8, 0x20000, 0x20008, 0xffffffff}, kAllow, kRefuse);
    case Rule::kIoctl:
      return by_value(1, {TIOCSTI, TIOCLINUX}, kRefuse, kAllow);
    case Rule::kMakeNode:
      return make_node(1);
    case Rule::kMakeNodeAt:
      return make_node(2);
  }
  return {result(kRefuse)};
}

void append(Code& code, const Code& more) { code.insert(code.end(), more.begin(), more.end()); }

/// Compares the accumulator with the first number of the right half; jumps further than a byte can
/// say go through an unconditional one.
Code search(std::span<const RuleRange> ranges, Capabilities capabilities) {
  if (ranges.size() == 1) return leaf(ranges[0].rule, capabilities);
  size_t middle = ranges.size() / 2;
  Code left = search(ranges.first(middle), capabilities);
  Code right = search(ranges.subspan(middle), capabilities);
  Code code;
  constexpr size_t kFarthest = 255;
  if (left.size() <= kFarthest) {
    code.push_back(jump(BPF_JGE | BPF_K, ranges[middle].first, left.size(), 0));
  } else {
    code.push_back(jump(BPF_JGE | BPF_K, ranges[middle].first, 0, 1));
    code.push_back(statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(left.size())));
  }
  append(code, left);
  append(code, right);
  return code;
}

Code load_number_and(const Code& rest) {
  Code code = {statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  append(code, rest);
  return code;
}

/// `wanted`: what to do for this architecture; falls through to what follows for any other.
Code for_architecture(uint32_t architecture, const Code& wanted) {
  Code code = {jump(BPF_JEQ | BPF_K, architecture, 1, 0),
               statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(wanted.size()))};
  append(code, wanted);
  return code;
}

}  // namespace

std::string seccomp_program(Capabilities capabilities) {
  Code code = {statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch))};
#if defined(__x86_64__)
  constexpr uint32_t kX32Bit = 0x40000000;
  Code x32 = {statement(BPF_ALU | BPF_AND | BPF_K, ~kX32Bit)};
  append(x32, search(kX32, capabilities));
  Code native = search(kNative, capabilities);
  // x32 has the architecture of x86-64 and a bit in the number.
  Code both = {jump(BPF_JGE | BPF_K, kX32Bit, 0, 1),
               statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(native.size()))};
  append(both, native);
  append(both, x32);
  append(code, for_architecture(AUDIT_ARCH_X86_64, load_number_and(both)));
  append(code, for_architecture(AUDIT_ARCH_I386, load_number_and(search(kForeign, capabilities))));
#else
  append(code,
         for_architecture(AUDIT_ARCH_AARCH64, load_number_and(search(kNative, capabilities))));
  append(code, for_architecture(AUDIT_ARCH_ARM, load_number_and(search(kForeign, capabilities))));
#endif
  code.push_back(result(SECCOMP_RET_KILL_PROCESS));
  return {reinterpret_cast<const char*>(code.data()), code.size() * sizeof(sock_filter)};
}

}  // namespace launch
