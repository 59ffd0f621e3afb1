#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "runner/launch/sandbox.h"

namespace launch {

/// Strings as an operation's text has them: each with its NUL.
std::string strings(std::initializer_list<std::string_view> parts);

/// Adds what makes the launcher the program of `spec`, in the last place: keyring, limits, working
/// directory, rights, filter, identity, and the program itself. The same for a container's first
/// program and for one that joins. `root` is the slot of the root directory, `further` are those of
/// Spec::further_fds.
void plan_process(Plan& plan, int root, std::span<const int> further, const Spec& spec,
                  const CgroupDemands& cgroup);

}  // namespace launch
