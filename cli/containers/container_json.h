#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runner/container/containers.h"

namespace cli {

/// A container as `torte inspect` shows it: keys in lowerCamelCase, which templates written for
/// docker's names find in any case ({{.State.ExitCode}}, {{.HostConfig.Memory}}).
nlohmann::json container_json(const container::Containers& containers,
                              const container::Record& record);

}  // namespace cli
