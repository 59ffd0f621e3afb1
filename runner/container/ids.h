#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/sys/lock.h"
#include "base/sys/userns.h"
#include "runner/container/config.h"

namespace container {

/// The user namespace of a container that has ids of its own (`--userns`), for one start of it.
struct Ids {
  sys::UserNamespace space;
  /// What its root is where we are.
  uint32_t root_uid = 0, root_gid = 0;
  /// Files are shown with its ids. Ordinary users cannot have that: for them files keep the ids
  /// they have.
  bool maps_files = true;
  /// What our root is inside, who makes the container ready: 0 unless there is no such id.
  uint32_t inner_uid = 0, inner_gid = 0;
  /// `auto`: nobody else gets these ids meanwhile.
  std::optional<sys::FileLock> lease;
};

/// Throws UsageError-like Invalid (id "bad-userns") for a mode that is none: "host" (or empty),
/// "auto[:size=N]", "keep-id[:uid=N,gid=N]", "nomap", "container:NAME".
void check_userns(const std::string& mode);

/// Whether the record asks for ids of its own.
inline bool has_own_ids(const Config& config) {
  return !config.userns.empty() || !config.id_maps.uids.empty();
}

/// With "keep-id": who of the container is the one who starts it, "UID:GID"; else empty. We must be
/// in torte's user namespace.
std::string kept_user(const Config& config);

/// Rows of a map in which `kept` is our root and our further ids fill the rest in their order.
/// `own` is our map: a row of the kernel's may not reach over two of its.
std::vector<sys::IdRange> kept_rows(const std::vector<sys::IdRange>& own, uint32_t kept);

/// What our root is in the user namespace of a container with ids of its own; see Ids::inner_uid.
std::pair<uint32_t, uint32_t> inner_root(const Config& config);

/// Makes the namespace that `config` asks for; `other` is process 1 of the container named by
/// "container:". Throws Unsupported where the machine cannot have it, Unavailable when all ids are
/// taken. [spec/cli.md 4 "--userns"]
Ids make_ids(const Config& config, pid_t other, bool with_network);

}  // namespace container
