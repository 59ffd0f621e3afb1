#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/options.h"
#include "runner/launch/launch.h"

namespace cli {

/// The flags of `torte run` that say how the container is made, for the command table.
std::vector<Flag> container_flags();

/// Applies those flags to a launch: mounts, limits, capabilities, security options, devices.
/// Throws UsageError for a malformed value, NotFound for a missing source of a mount.
/// [spec/cli.md 4]
void apply_container_flags(const Arguments& arguments, launch::Spec& spec);

/// The environment of the program: the image's, then --env-file, then --env; NAME alone is taken from
/// ours. Throws UsageError.
std::vector<std::string> container_environment(const Context& context, const Arguments& arguments,
                                               const std::vector<std::string>& image_environment);

}  // namespace cli
