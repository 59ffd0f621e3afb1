#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/options.h"
#include "runner/container/containers.h"

namespace cli {

/// The flags of `torte run` and `create` that say what the container may use, for the command
/// table.
std::vector<Flag> container_flags();
/// The limits among them, which `update` has too.
std::vector<Flag> limit_flags();

/// Applies those flags: mounts, limits, capabilities, security options, devices. Throws UsageError
/// for a malformed value, NotFound for a missing source of a mount. [spec/cli.md 4]
void apply_container_flags(const Arguments& arguments, container::Config& config);
void apply_limits(const Arguments& arguments, launch::Limits& limits);

/// Those of them that steps of a build have too: --ulimit, --device, --cap-add,
/// --cap-drop, --security-opt.
std::vector<Flag> sandbox_flags();
void apply_sandbox_flags(const Arguments& arguments, container::Config& config);

/// --preserve-fds of run and exec: how many descriptors from 3 on, which must have been handed to
/// torte, are the program's too. To be asked before anything is opened. Throws UsageError.
int preserved_fds(const Arguments& arguments);
Flag preserve_fds_flag();

/// --annotation.
std::map<std::string, std::string> parse_annotations(const Arguments& arguments);
/// --label and --label-file.
std::map<std::string, std::string> parse_labels(const Arguments& arguments);

/// --env and --env-file, of run, create and exec.
std::vector<Flag> environment_flags();
/// The environment of the program: the image's, then --env-file, then --env; NAME alone is taken
/// from ours. Throws UsageError.
std::vector<std::string> container_environment(const Context& context, const Arguments& arguments,
                                               const std::vector<std::string>& image_environment);

}  // namespace cli
