// Words of any bytes: expansion ends, within its limits, with a result or an Error.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "builder/dockerfile/heredoc.h"
#include "builder/dockerfile/mount.h"
#include "builder/dockerfile/word.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view word(reinterpret_cast<const char*>(data), size);
  auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    if (name == "a") return "value/of.a";
    if (name == "b") return "";
    if (name == "self") return std::string(word);
    return std::nullopt;
  };
  dockerfile::ExpandOptions options;
  options.limit = 1 << 16;
  options.escape = size % 2 ? '\\' : '`';
  try {
    CHECK(dockerfile::expand(word, lookup, options).size() <= options.limit);
  } catch (const base::Error&) {
  }
  try {
    dockerfile::expand_words(word, lookup, options);
  } catch (const base::Error&) {
  }
  dockerfile::ExpandOptions lexing = options;
  lexing.keep_quotes = lexing.keep_escapes = lexing.keep_unset = true;
  try {
    dockerfile::expand(word, lookup, lexing);
  } catch (const base::Error&) {
  }
  try {
    dockerfile::heredoc_starts(word);
  } catch (const base::Error&) {
  }
  try {
    dockerfile::resolve_mount(dockerfile::split_mount(word, {}),
                              [](std::string_view v) { return std::string(v); });
  } catch (const base::Error&) {
  }
  return 0;
}
