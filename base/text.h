#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace base {

/// Appends one value in its plain spelling; what str() is made of.
inline void append(std::string& out, std::string_view text) { out.append(text); }
inline void append(std::string& out, char c) { out.push_back(c); }
template <typename T>
requires(std::is_arithmetic_v<T> && !std::same_as<T, char> &&
         !std::same_as<T, bool>) void append(std::string& out, T number) {
  out.append(std::to_string(number));
}

/// Joins its arguments: str("layer ", n, " of ", total).
template <typename... Parts>
std::string str(const Parts&... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text, std::string_view set = " \t\r\n\v\f");
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

/// A whole string of decimal digits as a number; nothing else, no sign, no blanks, no overflow.
std::optional<uint64_t> parse_decimal(std::string_view digits);
/// "64m", "1.5GiB", "512": bytes; suffixes b k m g t with optional "ib"/"b", any case, factor 1024.
std::optional<uint64_t> parse_size(std::string_view text);
/// "84.2 MiB": one decimal from KiB up.
std::string format_size(uint64_t bytes);

/// "0.4s", "12.3s", "3m05s", "2h07m": how long something took, for people.
std::string format_elapsed(std::chrono::microseconds elapsed);

/// Length of the valid UTF-8 sequence at the start of `text`, and its character; 0 when there is
/// none.
size_t decode_utf8(std::string_view text, char32_t& code);
/// Control characters, C1, bidi controls, line separators: what must not reach a terminal as it is.
bool is_terminal_unsafe(char32_t code);

/// Text from images, registries and programs made safe for a terminal or a one-line message:
/// control bytes, C1, bidi controls and invalid UTF-8 become \xNN; cut to `limit` bytes with "...".
std::string printable(std::string_view text, size_t limit = 400);

/// The candidate nearest to `word` (edit distance at most 2 and less than half its length), or "".
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace base
