// Files that say how to reach registries: registries.conf, and the config.json or auth.json that
// holds credentials. The first byte decides which.
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/registry/credentials.h"
#include "store/registry/settings.h"

namespace {

void write(const std::filesystem::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary) << text;
}

void read_settings(std::string_view text) {
  registry::Settings settings;
  settings.add(text, "registries.conf");
  for (const char* name : {"registry.example/a/b:1", "docker.io/library/debian:12",
                           "localhost:5000/x@sha256:"
                           "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}) {
    const oci::Reference reference = oci::Reference::parse(name);
    try {
      CHECK(!settings.route(reference).empty());
    } catch (const base::Error&) {
    }
  }
  settings.is_insecure("registry.example");
}

struct Directory {
  Directory() {
    char name[] = "/tmp/torte-fuzz-XXXXXX";
    CHECK(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

// Helpers are programs: a file that names one is left alone.
void read_credentials(std::string_view text) {
  if (text.find("cred") != std::string_view::npos || text.find('\\') != std::string_view::npos)
    return;
  static const Directory directory;
  const std::filesystem::path file = directory.path / "config.json";
  write(file, text);
  registry::Credentials credentials({{file}, file});
  credentials.find("registry.example", "a/b");
  credentials.find("docker.io", "library/debian");
  credentials.list();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    data[0] % 2 == 0 ? read_settings(text) : read_credentials(text);
  } catch (const base::Error&) {
  }
  return 0;
}
