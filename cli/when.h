#pragma once

#include <string>

#include "runner/container/config.h"

namespace cli {

/// A moment as flags give it: a time of RFC 3339, seconds since 1970, or a duration before now.
/// Throws UsageError naming the flag.
container::Time parse_when(const std::string& flag, const std::string& text);

}  // namespace cli
