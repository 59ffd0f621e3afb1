#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/sys/root.h"

namespace launch {

/// Who a process is, in numbers of its own user namespace. A value.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  /// Supplementary groups, gid first: a program that changes its group must not leave one that a
  /// file denies something to.
  std::vector<gid_t> groups;
  std::string home = "/";  ///< of the passwd entry; "/" when there is none
};

/// Reads "user", "user:group", "uid", "uid:gid" or "" (root) by the passwd and group files of an
/// image. The files are read inside `root` only, regular files of at most 10 MiB, and nothing but
/// this parser looks at them. A text of digits is a number and never a name. Throws NotFound for an
/// unknown name and Invalid for a number above 2^31-1. [spec/dockerfile.md R5; spec/security.md 4
/// "user field"]
Identity resolve_user(const sys::Root& root, std::string_view user);

/// The number of a group given by name or number (--group-add). Errors as with resolve_user().
gid_t resolve_group_name(const sys::Root& root, std::string_view group);

}  // namespace launch
