#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dockerfile {

/// What became of an attempt to read the JSON form of arguments (L10).
struct JsonArray {
  enum class Outcome {
    kStrings,     ///< a valid array of strings, in `strings`
    kNotStrings,  ///< a valid array with an element that is no string; `offset` points at it
    kInvalid,     ///< not JSON; `offset` and `reason` say where and why
  };
  struct Element {
    std::string text;   ///< decoded
    size_t offset = 0;  ///< in the input, at the opening quote
    size_t size = 0;    ///< quotes included
  };
  Outcome outcome = Outcome::kInvalid;
  std::vector<Element> strings;
  size_t offset = 0;
  std::string reason;
};

/// Reads `text`, which must be one JSON array and nothing else but white space. Bytes that are not
/// UTF-8 inside strings become U+FFFD. Nesting is limited to 10,000 levels; never recursive.
JsonArray read_json_array(std::string_view text);

}  // namespace dockerfile
