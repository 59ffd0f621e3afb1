#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace sys {

/// A path inside some root: absolute, cleaned, without "." or "..". It meets a real directory only
/// through sys::Root. A value.
class RootedPath {
 public:
  /// The root itself.
  RootedPath() : text_("/") {}
  /// Cleans `path` as if it started at the root; ".." stops there. Throws Invalid on a NUL byte.
  explicit RootedPath(std::string_view path);

  bool is_root() const { return text_.size() == 1; }
  /// "/a/b".
  const std::string& str() const { return text_; }
  /// "a/b", or "." for the root: the spelling the *at() calls want.
  const char* relative() const { return is_root() ? "." : text_.c_str() + 1; }
  /// "b"; empty for the root.
  std::string_view name() const;
  RootedPath parent() const;
  std::vector<std::string> components() const;
  /// Joins a path that may be absolute (then it replaces) or relative; the result is cleaned.
  RootedPath join(std::string_view path) const;
  /// Appends a path below this one even if it begins with "/".
  RootedPath below(std::string_view path) const;
  bool is_within(const RootedPath& ancestor) const;

  auto operator<=>(const RootedPath&) const = default;

 private:
  std::string text_;
};

}  // namespace sys
