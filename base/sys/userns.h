#pragma once

namespace sys {

/// How torte came to hold the rights it works with.
enum class UsernsMode {
  kNone,  ///< root of the machine (or of the container torte was started in); no namespace of ours
  kRanges,  ///< an ordinary user; ids 1 and up are the ranges of /etc/subuid and /etc/subgid
  kSingle,  ///< an ordinary user; root is the only id there is
};

/// For ordinary users: moves this process into a user namespace in which it is root, and a mount
/// namespace of its own. Root, or a process that is already root there, stays where it is. To be
/// called first thing in main, while there is one thread. Ids: container 0 is the caller, 1 and up
/// the subordinate ranges, given by newuidmap and newgidmap; without helpers or ranges the
/// single-id mode. Throws Denied when the system forbids user namespaces. [spec/security.md 5 "User
/// namespaces"]
UsernsMode enter_user_namespace();

/// For `exec` by an ordinary user: moves this process into the user namespace of a container's
/// process instead, and into a mount namespace of its own there. Nothing happens for root.
UsernsMode join_user_namespace(int pidfd);

/// For a program that torte starts inside the namespace it already entered.
void adopt_user_namespace(UsernsMode mode);

/// What enter_user_namespace() found; kNone before.
UsernsMode userns_mode();

/// False when the ids we see are not the machine's own: device nodes cannot be made, some mounts
/// are refused and overlay needs `userxattr`. Read once from /proc/self/uid_map.
bool in_initial_user_namespace();

}  // namespace sys
