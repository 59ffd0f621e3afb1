#pragma once

#include "cli/context.h"
#include "cli/options.h"
#include "runner/container/containers.h"

namespace cli {

/// The flags that `run` and `create` share, for the command table.
std::vector<Flag> new_container_flags();

/// A container as the command line asks for it, recorded but not started: its image is looked up,
/// its volumes are made and filled, its name is taken. The caller holds a lease. Throws UsageError,
/// NotFound (image, sources), Unavailable (name).
struct NewContainer {
  container::Config config;
  container::Claim claim;
};
NewContainer make_container(Context& context, const Arguments& arguments,
                            container::Containers& containers, bool auto_remove);

/// The command line of the monitor process. See container::start_monitor().
std::vector<std::string> monitor_command(const Context& context);

}  // namespace cli
