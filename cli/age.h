#pragma once

#include <chrono>
#include <string>

namespace cli {

/// "3 minutes ago", "2 weeks ago", one unit, rounded down; "in the future" for what is not past,
/// and
/// "" for the beginning of time (1970), which stands for "not said".
std::string format_age(std::chrono::system_clock::time_point then,
                       std::chrono::system_clock::time_point now);

}  // namespace cli
