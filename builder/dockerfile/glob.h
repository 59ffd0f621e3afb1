#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dockerfile {

/// A compiled path pattern. `*` is any run without `/`, `?` one character but `/`, `[a-z]` and
/// `[^a-z]` classes, `\x` a literal x. Matching is linear in path times pattern. Immutable, so it
/// may be shared between threads.
class Glob {
 public:
  enum class Dialect {
    kPath,    ///< COPY sources (7.3): `**` is just `*`
    kIgnore,  ///< ignore files (G3): `**` is any run including `/`, and `**/` also nothing
  };
  /// Throws Invalid, id "bad-pattern", for a malformed class or a backslash at the end.
  Glob(std::string_view pattern, Dialect dialect);

  /// Whether the whole of `path` matches.
  bool matches(std::string_view path) const;
  /// Whether the pattern has no wildcard, class or escape: it matches only itself.
  bool is_literal() const { return shape_ == Shape::kLiteral; }

 private:
  enum class Shape { kLiteral, kPrefix, kSuffix, kGeneral };
  struct Token {
    enum Kind {
      kCharacter,    // one given character
      kAny,          // one character but '/'
      kClass,        // one character in or not in ranges
      kRun,          // any run without '/'
      kDeepRun,      // any run at all: "**" at the end
      kDirectories,  // nothing, or any run that ends in '/': "**/"
    } kind;
    char32_t code = 0;
    bool negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges = {};
  };
  void compile(std::string_view pattern, Dialect dialect);
  size_t compile_class(std::string_view pattern, size_t at);
  size_t compile_stars(std::string_view pattern, size_t at);
  void choose_shape(std::string_view pattern);
  bool token_matches(const Token& token, char32_t code) const;
  bool general(std::string_view path) const;

  std::vector<Token> tokens_;
  Shape shape_ = Shape::kGeneral;
  std::string text_;  // what a literal, prefix or suffix is compared with
};

/// Whether a COPY source has `*`, `?`, `[` or `\` and must be looked up by walking (7.3).
bool has_wildcard(std::string_view pattern);

/// Go-like path matching of one pattern (7.3). Throws as Glob does.
bool path_match(std::string_view pattern, std::string_view path);

/// Lexical cleaning: single slashes, no `.`, `..` resolved where possible, no trailing slash; the
/// empty path is ".".
std::string clean_path(std::string_view path);

}  // namespace dockerfile
