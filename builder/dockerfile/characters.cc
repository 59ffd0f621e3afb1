#include "builder/dockerfile/characters.h"

#include <algorithm>
#include <array>

namespace dockerfile {

namespace {

constexpr char32_t kReplacement = 0xfffd;

struct Range {
  char32_t first, last;
};

// Beyond ASCII: blocks that hold no letters, in order.
constexpr std::array<Range, 24> kNotLetters = {{
    {0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},
    {0xf7, 0xf7},     {0x2c2, 0x2c5},   {0x2d2, 0x2df},   {0x300, 0x36f},   {0x2000, 0x2070},
    {0x2072, 0x207e}, {0x2080, 0x208f}, {0x20a0, 0x2101}, {0x2190, 0x2bff}, {0x2e00, 0x2e7f},
    {0x3000, 0x3004}, {0x3007, 0x3030}, {0x303d, 0x3040}, {0xd800, 0xf8ff}, {0xfe00, 0xfe6f},
    {0xfeff, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xffe0, 0xffff},
}};

}  // namespace

Character character_at(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t size = first >= 0xc2 && first < 0xe0   ? 2
                : first >= 0xe0 && first < 0xf0 ? 3
                : first >= 0xf0 && first < 0xf5 ? 4
                                                : 0;
  if (size == 0 || at + size > text.size()) return {kReplacement, 1};
  char32_t code = first & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {kReplacement, 1};
    code = (code << 6) | (byte(i) & 0x3fu);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    return {kReplacement, 1};
  return {code, size};
}

bool is_space(char32_t code) {
  switch (code) {
    case '\t':
    case '\n':
    case '\v':
    case '\f':
    case '\r':
    case ' ':
    case 0x85:
    case 0xa0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202f:
    case 0x205f:
    case 0x3000:
      return true;
    default:
      return code >= 0x2000 && code <= 0x200a;
  }
}

bool is_name_letter(char32_t code) {
  if (code < 0x80) {
    return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || code == '_';
  }
  if (is_space(code)) return false;
  if (code >= 0x1d000 && (code < 0x1d400 || code >= 0x1f000) && code < 0x20000) return false;
  if (code >= 0xe0000) return false;
  return std::none_of(kNotLetters.begin(), kNotLetters.end(),
                      [&](const Range& r) { return code >= r.first && code <= r.last; });
}

std::string_view trim_space_left(std::string_view text) {
  while (!text.empty()) {
    Character c = character_at(text, 0);
    if (!is_space(c.code)) break;
    text.remove_prefix(c.size);
  }
  return text;
}

std::string_view trim_space(std::string_view text) {
  text = trim_space_left(text);
  while (!text.empty()) {
    // Steps back over at most three continuation bytes to the start of the last character.
    size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 &&
           (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) {
      --start;
    }
    Character last = character_at(text, start);
    if (start + last.size != text.size() || !is_space(last.code)) break;
    text.remove_suffix(last.size);
  }
  return text;
}

void append_utf8(std::string& out, char32_t code) {
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) code = kReplacement;
  auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3f));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

}  // namespace dockerfile
