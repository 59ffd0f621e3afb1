#pragma once

#include <optional>
#include <string>

#include "base/sys/lock.h"
#include "base/sys/userns.h"
#include "runner/container/config.h"

namespace container {

/// The user namespace of a container that has ids of its own (`--userns`), for one start of it.
struct Ids {
  sys::UserNamespace space;
  /// What its root is where we are.
  uint32_t root_uid = 0, root_gid = 0;
  /// `auto`: nobody else gets these ids meanwhile.
  std::optional<sys::FileLock> lease;
};

/// Throws UsageError-like Invalid (id "bad-userns") for a mode that is none: "host" (or empty),
/// "auto[:size=N]", "keep-id", "nomap", "container:NAME".
void check_userns(const std::string& mode);

/// Whether the record asks for ids of its own.
inline bool has_own_ids(const Config& config) {
  return !config.userns.empty() || !config.id_maps.uids.empty();
}

/// Makes the namespace that `config` asks for; `other` is process 1 of the container named by
/// "container:". Throws Unsupported where the machine cannot have it, Unavailable when all ids are
/// taken. [spec/cli.md 4 "--userns"]
Ids make_ids(const Config& config, pid_t other, bool with_network);

}  // namespace container
