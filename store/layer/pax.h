#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "store/layer/tar_reader.h"

namespace layer {

// pax extended headers: records "LENGTH KEY=VALUE\n", LENGTH counting the whole record in decimal.
// Internal to the room.

using PaxRecords = std::map<std::string, std::string, std::less<>>;

/// All records of one extended header; of equal keys the last wins. The pairs of GNU sparse format
/// 0.0 (repeated keys) come joined with commas under "GNU.sparse.map". nullopt when a length lies,
/// a record has no "=" or newline, or a name holds a NUL.
std::optional<PaxRecords> parse_pax(std::string_view data);

/// A decimal number with an optional sign that fits in 64 bits.
std::optional<int64_t> parse_signed(std::string_view text);

/// Seconds with an optional sign and fraction; digits past the ninth are dropped.
std::optional<TarTime> parse_pax_time(std::string_view text);

/// Appends one record.
void append_pax(std::string& out, std::string_view key, std::string_view value);

}  // namespace layer
