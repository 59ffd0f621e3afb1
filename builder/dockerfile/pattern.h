#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dockerfile {

/// A shell pattern of `${name#pattern}` and its kin (V4): `*` any run, `?` one character, backslash
/// escapes, no classes. Matching takes time in proportion to value times pattern, and gives up with
/// an Invalid error beyond a fixed amount of work, so a recipe cannot stall the builder.
class ShellPattern {
 public:
  /// Throws Invalid for a backslash before anything but `* ? \ } /`.
  explicit ShellPattern(std::string_view pattern);

  /// `value` without its shortest or longest matching prefix; unchanged when none matches.
  std::string without_prefix(std::string_view value, bool longest) const;
  std::string without_suffix(std::string_view value, bool longest) const;
  /// `value` with the first or every longest leftmost match replaced. The result may not be larger
  /// than `limit` bytes: throws Invalid.
  std::string replaced(std::string_view value, std::string_view replacement, bool every,
                       size_t limit) const;

 private:
  struct Token {
    enum Kind { kCharacter, kAny, kStar } kind;
    char32_t code;
  };
  struct Match {
    size_t begin, end;
    bool found;
  };
  Match find(const std::vector<char32_t>& value, size_t from, size_t& budget) const;

  std::vector<Token> tokens_;
};

}  // namespace dockerfile
