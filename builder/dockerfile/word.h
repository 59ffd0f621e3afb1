#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dockerfile {

/// The value of a variable, or nothing when it is not set. An empty value is set.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

/// How a word is expanded; the defaults are those of instruction arguments (V3).
struct ExpandOptions {
  char escape = '\\';            ///< the recipe's escape character
  bool quotes_are_text = false;  ///< quotes mean nothing: heredoc bodies (7.6)
  bool keep_quotes = false;   ///< quotes group but stay in the result: lexing heredoc starts (L13)
  bool keep_escapes = false;  ///< escape characters act but stay in the result
  bool keep_unset = false;    ///< an unset variable stays as written instead of vanishing
  size_t limit = size_t{1} << 20;  ///< largest result in bytes
  int nesting = 32;                ///< deepest `${a:-${b:-...}}`
  /// Told of every unset variable that expanded to nothing (check UndefinedVar). A form that deals
  /// with the unset case itself, such as `${x:-y}`, is not reported.
  std::function<void(std::string_view name)> undefined;
};

/// Expands variables in `word` and removes quotes and escapes (V1-V6). Throws Invalid with a
/// message that says what is wrong in the word, ids "bad-substitution", "unterminated-quote",
/// "required-variable", "expansion-too-large"; the caller adds the place.
std::string expand(std::string_view word, const Lookup& lookup, const ExpandOptions& options = {});

/// The same, and splits at blanks outside quotes; the blanks of expanded values split too (V5).
std::vector<std::string> expand_words(std::string_view text, const Lookup& lookup,
                                      const ExpandOptions& options = {});

/// Whether `text` contains something that expand() would replace: a `$` that is not its last byte.
bool has_variable(std::string_view text);

}  // namespace dockerfile
