#pragma once

#include <string>

#include "runner/launch/capabilities.h"

namespace launch {

/// The default system call policy as the bytes of a BPF program (struct sock_filter array), for a
/// process that may hold `capabilities`. [spec/security.md 5 "Seccomp"]
std::string seccomp_program(Capabilities capabilities);

}  // namespace launch
