// An ignore file, a zero byte, a path: the matcher answers, and a directory it would skip hides
// nothing that comes back.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "builder/dockerfile/ignore.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t zero = std::min(text.find('\0'), text.size());
  std::string path = dockerfile::clean_path(zero < text.size() ? text.substr(zero + 1)
                                                               : std::string_view("a/b/c"));
  if (path.size() > 1 && path[0] == '/') path.erase(0, 1);
  try {
    dockerfile::IgnoreMatcher matcher(dockerfile::read_ignore_file(text.substr(0, zero)));
    matcher.ignores(path);
    dockerfile::IgnoreMatcher::Visit visit;
    bool skipped = false;
    for (size_t at = 0; at != std::string::npos;) {
      at = path.find('/', at + 1);
      std::string part = path.substr(0, at);
      visit = matcher.visit(part, visit.state);
      CHECK(visit.ignored || !skipped);
      skipped = skipped || (visit.ignored && !matcher.may_reinclude_below(part));
    }
  } catch (const base::Error&) {
  }
  try {
    dockerfile::path_match(text.substr(0, zero), path);
  } catch (const base::Error&) {
  }
  return 0;
}
