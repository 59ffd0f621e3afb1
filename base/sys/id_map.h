#pragma once

#include <string>
#include <vector>

#include "base/sys/userns.h"

namespace sys {

/// The rows of an id map file (/proc/PID/uid_map), as they are for us.
std::vector<IdRange> read_id_map(const std::string& path);

}  // namespace sys
