#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace oci {

using Timestamp = std::chrono::sys_time<std::chrono::nanoseconds>;

/// "2006-01-02T15:04:05[.fraction](Z|+hh:mm)" as a time; nullopt for anything else and for years
/// that nanoseconds since 1970 cannot hold (before 1678, after 2261). [RFC 3339]
std::optional<Timestamp> parse_timestamp(std::string_view text);
/// In UTC, with as many fraction digits (0, 3, 6 or 9) as it takes.
std::string format_timestamp(Timestamp time);

}  // namespace oci
