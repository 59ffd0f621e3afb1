#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "runner/container/config.h"

namespace cli {

/// The flags of `torte run` and `create` that mount something: --volume, --mount, --tmpfs,
/// --secret,
/// --read-only, --read-only-tmpfs.
std::vector<Flag> mount_flags();
/// Applies them. Throws UsageError for a malformed value, NotFound for a missing source.
void apply_mount_flags(const Arguments& arguments, container::Config& config);

/// An empty directory in memory at `target`, for `flag`.
container::MountConfig tmpfs_mount(const std::string& target, const char* flag,
                                   uint32_t mode = 01777);

/// Where a path of the command line is on the host; NotFound naming the flag when nothing is there.
std::string host_path(const std::string& source, const char* flag);
/// A path in the container. Throws UsageError unless it is absolute.
std::string container_path(const std::string& target, const char* flag);

}  // namespace cli
