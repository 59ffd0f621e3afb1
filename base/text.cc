#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace base {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::string_view trim(std::string_view text, std::string_view set) {
  size_t first = text.find_first_not_of(set);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(set) - first + 1);
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::optional<uint64_t> parse_decimal(std::string_view digits) {
  uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return std::nullopt;
  auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  std::string lower = to_lower(trim(text));
  size_t digits = lower.find_first_not_of("0123456789.");
  std::string_view number = std::string_view(lower).substr(0, digits);
  std::string_view suffix =
      digits == std::string::npos ? "" : std::string_view(lower).substr(digits);
  suffix = trim(suffix);
  double factor = 1;
  static constexpr std::string_view kUnits = "bkmgtp";
  if (!suffix.empty()) {
    size_t unit = kUnits.find(suffix[0]);
    std::string_view rest = suffix.substr(1);
    if (unit == std::string_view::npos || (unit == 0 && !rest.empty())) return std::nullopt;
    if (!rest.empty() && rest != "b" && rest != "ib") return std::nullopt;
    factor = std::pow(1024.0, static_cast<double>(unit));
  }
  double value = 0;
  auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (number.empty() || error != std::errc() || stop != number.data() + number.size())
    return std::nullopt;
  value *= factor;
  if (!(value >= 0 && value < 9.2e18)) return std::nullopt;
  return static_cast<uint64_t>(value);
}

std::string format_size(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return str(bytes, " B");
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1023.95 && unit < 6) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string format_elapsed(std::chrono::microseconds elapsed) {
  int64_t tenths = std::max<int64_t>(elapsed.count(), 0) / 100000;
  int64_t seconds = tenths / 10;
  char text[48];
  if (seconds < 60)
    std::snprintf(text, sizeof text, "%lld.%llds", static_cast<long long>(seconds),
                  static_cast<long long>(tenths % 10));
  else if (seconds < 3600)
    std::snprintf(text, sizeof text, "%lldm%02llds", static_cast<long long>(seconds / 60),
                  static_cast<long long>(seconds % 60));
  else
    std::snprintf(text, sizeof text, "%lldh%02lldm", static_cast<long long>(seconds / 3600),
                  static_cast<long long>(seconds / 60 % 60));
  return text;
}

size_t decode_utf8(std::string_view text, char32_t& code) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  unsigned char first = byte(0);
  size_t n = first < 0x80                    ? 1
             : first >= 0xf0 && first < 0xf5 ? 4
             : first >= 0xe0 && first < 0xf0 ? 3
             : first >= 0xc2 && first < 0xe0 ? 2
                                             : 0;
  if (n == 0 || n > text.size()) return 0;
  code = n == 1 ? first : first & (0xff >> (n + 1));
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte(i) & 0x3f);
  }
  static constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
  return n;
}

bool is_terminal_unsafe(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f || code == 0x2028 ||
         code == 0x2029;
}

std::string printable(std::string_view text, size_t limit) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= limit) return out + "...";
    char32_t code = 0;
    size_t n = decode_utf8(text, code);
    if (n > 0 && !is_terminal_unsafe(code)) {
      out += text.substr(0, n);
    } else {
      n = std::max<size_t>(n, 1);
      for (size_t i = 0; i < n; ++i) {
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(text[i]));
        out += hex;
      }
    }
    text.remove_prefix(n);
  }
  return out;
}

namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > 64) return {};
  std::string best;
  size_t best_distance = 3;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(to_lower(word), to_lower(candidate));
    if (distance < best_distance && distance * 2 < std::max<size_t>(word.size(), 2)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace base
