#include "store/layer/tar_header.h"

#include "base/text.h"

namespace layer {

namespace {

bool checksum_matches(Block block) {
  std::optional<int64_t> stored = parse_number(field(block, 148, 8));
  if ((block[148] & 0x80) != 0 || !stored) return false;  // octal only
  int64_t sum_unsigned = 0;
  int64_t sum_signed = 0;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    char c = i >= 148 && i < 156 ? ' ' : block[i];
    sum_unsigned += static_cast<unsigned char>(c);
    sum_signed += static_cast<signed char>(c);
  }
  return *stored == sum_unsigned || *stored == sum_signed;
}

std::optional<int64_t> parse_base256(std::string_view digits) {
  // The top bit is only the mark; the next one is the sign. A negative number is read inverted.
  unsigned char first = static_cast<unsigned char>(digits[0]);
  unsigned char invert = (first & 0x40) != 0 ? 0xff : 0x00;
  uint64_t value = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(digits[i]) ^ invert;
    if (i == 0) c &= 0x7f;
    if ((value >> 56) != 0) return std::nullopt;
    value = value << 8 | c;
  }
  if ((value >> 63) != 0) return std::nullopt;
  int64_t number = static_cast<int64_t>(value);
  return invert != 0 ? ~number : number;
}

}  // namespace

Dialect dialect_of(Block block) {
  if (!checksum_matches(block)) return Dialect::kUnknown;
  std::string_view magic = field(block, 257, 6);
  if (magic == std::string_view("ustar\0", 6))
    return field(block, 508, 4) == std::string_view("tar\0", 4) ? Dialect::kStar : Dialect::kUstar;
  if (magic == "ustar " && field(block, 263, 2) == std::string_view(" \0", 2)) return Dialect::kGnu;
  return Dialect::kV7;
}

std::optional<int64_t> parse_number(std::string_view text) {
  if (!text.empty() && (text[0] & 0x80) != 0) return parse_base256(text);
  text = base::trim(text, std::string_view(" \0", 2));
  text = parse_text(text);
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '7' || (value >> 61) != 0) return std::nullopt;
    value = value << 3 | static_cast<uint64_t>(c - '0');
  }
  return static_cast<int64_t>(value);
}

std::string_view parse_text(std::string_view text) { return text.substr(0, text.find('\0')); }

}  // namespace layer
