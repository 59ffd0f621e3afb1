#include "builder/dockerfile/heredoc.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/characters.h"
#include "builder/dockerfile/word.h"

namespace dockerfile {

namespace {

std::optional<std::string> nothing_is_set(std::string_view) { return std::nullopt; }

// The words of `text`; quotes may stay, variables always do. Escapes are always `\` here (L13).
std::vector<std::string> lex(std::string_view text, bool keep_quotes, bool keep_escapes) {
  ExpandOptions options;
  options.keep_quotes = keep_quotes;
  options.keep_escapes = keep_escapes;
  options.keep_unset = true;
  options.limit = text.size() * 2 + 64;
  return expand_words(text, nothing_is_set, options);
}

auto count_quotes(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return c == '\'' || c == '"'; });
}

}  // namespace

std::string Heredoc::body() const {
  if (!chomp) return content;
  std::string out;
  bool line_start = true;
  for (char c : content) {
    if (line_start && c == '\t') continue;
    out += c;
    line_start = c == '\n';
  }
  return out;
}

std::optional<Heredoc> heredoc_start(std::string_view word) {
  size_t digits = 0;
  while (digits < word.size() && is_digit(static_cast<unsigned char>(word[digits]))) ++digits;
  if (word.substr(digits, 2) != "<<") return std::nullopt;
  Heredoc out;
  std::optional<uint64_t> fd = base::parse_decimal(word.substr(0, digits));
  out.fd = fd && *fd < 1024 ? static_cast<int>(*fd) : 0;
  std::string_view rest = word.substr(digits + 2);
  if (!rest.empty() && rest[0] == '-') {
    out.chomp = true;
    rest.remove_prefix(1);
  }
  rest = trim_space_left(rest);
  if (rest.empty() || rest.find('<') != std::string_view::npos) return std::nullopt;
  std::vector<std::string> plain = lex(rest, false, false);
  if (plain.size() != 1) return std::nullopt;
  std::vector<std::string> quoted = lex(rest, true, false);
  out.name = plain[0];
  // Quotes that were removed from the name make the body literal.
  out.expand = quoted.size() == 1 && count_quotes(plain[0]) == count_quotes(quoted[0]);
  return out;
}

std::vector<Heredoc> heredoc_starts(std::string_view line) {
  std::vector<std::string> words;
  try {
    words = lex(line, true, true);
  } catch (const base::Error&) {
    return {};  // an apostrophe in a shell command is no mistake of the recipe
  }
  std::vector<Heredoc> out;
  for (const std::string& word : words)
    if (std::optional<Heredoc> start = heredoc_start(word)) out.push_back(std::move(*start));
  return out;
}

}  // namespace dockerfile
