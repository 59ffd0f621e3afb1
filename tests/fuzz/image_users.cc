// The passwd and group files of an image and a USER to find in them: no input may crash, and a text
// of digits alone is that number whatever the files say. The input: user, passwd and group, a NUL
// between.
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "runner/launch/identity.h"

namespace {

void write(const std::filesystem::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary) << text;
}

std::filesystem::path make_root() {
  char name[] = "/tmp/torte-fuzz-XXXXXX";
  CHECK(::mkdtemp(name) != nullptr);
  std::filesystem::create_directory(std::filesystem::path(name) / "etc");
  return name;
}

std::string_view take(std::string_view& rest) {
  const size_t end = std::min(rest.find('\0'), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

struct Directory {
  std::filesystem::path path = make_root();
  ~Directory() { std::filesystem::remove_all(path); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Directory directory;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view user = take(rest);
  write(directory.path / "etc/passwd", take(rest));
  write(directory.path / "etc/group", rest);
  const sys::Root root = sys::Root::open(directory.path);
  try {
    const launch::Identity who = launch::resolve_user(root, user);
    CHECK(who.uid <= INT32_MAX && who.gid <= INT32_MAX);
    CHECK(!who.groups.empty() && who.groups[0] == who.gid);
    if (is_number(user)) CHECK(who.uid == std::stoull(std::string(user)));
  } catch (const base::Error&) {
  }
  try {
    const gid_t group = launch::resolve_group_name(root, user);
    if (is_number(user)) CHECK(group == std::stoull(std::string(user)));
  } catch (const base::Error&) {
  }
  return 0;
}
