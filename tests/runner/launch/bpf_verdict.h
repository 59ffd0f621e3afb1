#pragma once

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstring>
#include <string>
#include <vector>

/// What the program says of one call: the part of BPF that it uses, interpreted.
inline uint32_t verdict(const std::string& program, const seccomp_data& data) {
  std::vector<sock_filter> code(program.size() / sizeof(sock_filter));
  memcpy(code.data(), program.data(), program.size());
  uint32_t accumulator = 0;
  for (size_t pc = 0; pc < code.size(); ++pc) {
    const sock_filter& f = code[pc];
    switch (f.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        memcpy(&accumulator, reinterpret_cast<const char*>(&data) + f.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= f.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += f.k;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        accumulator >>= f.k;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += accumulator > f.k ? f.jt : f.jf;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += accumulator == f.k ? f.jt : f.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += accumulator >= f.k ? f.jt : f.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        pc += (accumulator & f.k) != 0 ? f.jt : f.jf;
        break;
      case BPF_RET | BPF_K:
        return f.k;
      default:
        ADD_FAILURE() << "code " << f.code;
        return 0;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return 0;
}
