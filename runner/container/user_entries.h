#pragma once

#include <vector>

#include "base/sys/root.h"
#include "runner/container/config.h"

namespace container {

/// --passwd-entry and --group-entry: the image's /etc/passwd and /etc/group (`view` is its root)
/// with a line more for a user and a group that they do not know. Nothing where nothing was asked
/// or is missing.
std::vector<launch::RootFs::File> user_entries(const Config& config, const sys::Root& view,
                                               const launch::Identity& identity);

}  // namespace container
