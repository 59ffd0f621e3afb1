#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dockerfile {

/// One decoded character of a recipe and the bytes it took.
struct Character {
  char32_t code = 0;
  size_t size = 0;  ///< bytes; 1 with code U+FFFD where the bytes are not UTF-8
};

/// The character at `at`, which must lie inside `text`. Never fails: recipes are bytes (L1).
Character character_at(std::string_view text, size_t at);

/// White space as Unicode defines it; quoting and trimming use it (L11), splitting does not (L7).
bool is_space(char32_t code);

/// A letter, or `_`, that may appear in a variable name (V3). Beyond ASCII this is an approximation
/// that errs towards "letter" except for the blocks of punctuation, symbols and emoji.
bool is_name_letter(char32_t code);

inline bool is_digit(char32_t code) { return code >= '0' && code <= '9'; }

/// Without Unicode white space at both ends.
std::string_view trim_space(std::string_view text);
std::string_view trim_space_left(std::string_view text);

/// Appends the UTF-8 form of `code`; surrogates and values out of range become U+FFFD.
void append_utf8(std::string& out, char32_t code);

}  // namespace dockerfile
