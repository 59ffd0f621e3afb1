#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/sys/fd.h"

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

/// The same for a container with a user namespace of its own (`--userns keep-id`): into the one
/// around it, in which torte started it. Throws SystemError.
UsernsMode join_user_namespace_around(pid_t process);

/// For a program that torte starts inside the namespace it already entered.
void adopt_user_namespace(UsernsMode mode);

/// What enter_user_namespace() found; kNone before.
UsernsMode userns_mode();

/// False when the ids we see are not the machine's own: device nodes cannot be made, some mounts
/// are refused and overlay needs `userxattr`. Read once from /proc/self/uid_map.
bool in_initial_user_namespace();

/// One row of an id map: `count` ids from `inside` on are those from `outside` on, outside as the
/// namespace of the one who writes the map sees them.
struct IdRange {
  uint32_t inside = 0, outside = 0, count = 0;
};
struct IdMaps {
  std::vector<IdRange> uids, gids;
};

/// The ranges that /etc/subuid or /etc/subgid (`file`) give to a user, laid one after the other
/// from `first` on. Lines name users by name, or by number.
std::vector<IdRange> subordinate_ids(const char* file, const std::string& user, uint32_t first);

/// A user namespace that nobody lives in yet, and a network namespace that belongs to it.
struct UserNamespace {
  UniqueFd user;
  UniqueFd network;  ///< its loopback interface is down
};

/// Makes a namespace below ours whose ids are `maps`: for containers with ids of their own. We must
/// be root where we are. Throws SystemError, which for maps that overlap or name ids we do not have
/// is EINVAL or EPERM. Any thread.
UserNamespace make_user_namespace(const IdMaps& maps, bool with_network);

/// A new network namespace that belongs to a user namespace below ours. Throws SystemError.
UniqueFd make_network_namespace_in(int user_namespace);

/// The user namespace that `fd` (of a user namespace) is in. Throws SystemError.
UniqueFd parent_user_namespace(int fd);

}  // namespace sys
