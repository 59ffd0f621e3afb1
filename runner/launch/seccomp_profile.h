#pragma once

#include <string>
#include <string_view>

#include "runner/launch/capabilities.h"

namespace launch {

/// Reads a seccomp profile in the JSON form that container engines share (defaultAction, archMap or
/// architectures, syscalls with names, action, args, includes, excludes) and compiles it for this
/// machine and for a container that may hold `capabilities`. Names this machine does not know are
/// passed over, as everywhere: profiles list the calls of all architectures. Returns an array of
/// struct sock_filter. Throws Invalid (id "bad-seccomp-profile") naming the field; Unsupported for
/// actions that need a supervisor (SCMP_ACT_NOTIFY).
std::string compile_seccomp_profile(std::string_view json, Capabilities capabilities);

/// The default policy (seccomp.h) as such a profile, for a container that may hold `capabilities`.
/// It says the same but for conditional calls that are refused: those end with ENOSYS.
std::string default_seccomp_profile(Capabilities capabilities);

/// A profile as "linux.seccomp" of an OCI runtime's configuration: its conditions are resolved for
/// this machine and `capabilities`. Throws as compile_seccomp_profile().
std::string runtime_seccomp(std::string_view json, Capabilities capabilities);

}  // namespace launch
