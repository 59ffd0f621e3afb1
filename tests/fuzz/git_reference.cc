// Git repositories and URLs as recipes name them: nothing that is accepted can be an option to git,
// and the name of a file can be one.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "builder/dockerfile/git_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  dockerfile::is_git_context(text);
  const std::string name = dockerfile::url_file_name(text);
  CHECK(name != "." && name != ".." &&
        name.find_first_of(std::string_view("/\0", 2)) == std::string::npos);
  // A second pass finds nothing left to take away.
  const std::string clean = dockerfile::without_userinfo(text);
  CHECK(dockerfile::without_userinfo(clean) == clean);
  try {
    const dockerfile::GitReference git = dockerfile::GitReference::parse(text);
    CHECK(!git.remote.starts_with('-') && !git.ref.starts_with('-') &&
          !git.checksum.starts_with('-'));
    CHECK(git.remote.find('\0') == std::string::npos && git.ref.find('\0') == std::string::npos);
  } catch (const base::Error&) {
  }
  return 0;
}
