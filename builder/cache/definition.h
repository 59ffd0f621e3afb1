#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cache {

/// 64 hex digits: the digest of a definition's text.
using CacheKey = std::string;

/// Everything that can change the result of a step, in order, as readable text: the only thing a
/// cache key is ever made of. Stored beside the result, so that a miss can be explained by
/// comparing two of them.
///
///     torte-step 1
///     parent 5f1c...
///     run.argv /bin/sh
///     run.argv -c
///     run.argv make -j8
///     env PATH=/usr/bin
///
/// One field a line, name and value parted by the first blank; a newline or backslash in a value is
/// written \n or \\, so that no value can pretend to be a field.
class Definition {
 public:
  /// `kind` heads the text together with the version of the key scheme.
  explicit Definition(std::string_view kind);
  void add(std::string_view field, std::string_view value);

  const std::string& text() const { return text_; }
  CacheKey key() const;

 private:
  std::string text_;
};

/// Whether two texts differ in none but the given fields.
bool equal_without(std::string_view a, std::string_view b,
                   std::initializer_list<std::string_view> fields);

/// One difference between two definitions.
struct Change {
  std::string field;
  std::string old_value;  ///< empty when the field is new
  std::string new_value;  ///< empty when the field is gone
};
/// Fields that differ, in the order of `new_text`, removed ones last.
std::vector<Change> compare(std::string_view old_text, std::string_view new_text);

}  // namespace cache
