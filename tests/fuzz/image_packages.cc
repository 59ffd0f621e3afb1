// The databases of package managers as images hold them, and files with rules about sources: no
// input may crash. The first byte decides which.
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/build/packages.h"
#include "cli/remote/source_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 4 != 3) {
    std::vector<cli::Package> packages;
    data[0] % 4 == 2 ? cli::read_apk(text, packages)
                     : cli::read_dpkg(text, data[0] % 4 == 0, packages);
    for (const cli::Package& package : packages) CHECK(!package.name.empty());
    return 0;
  }
  try {
    cli::SourcePolicy policy;
    policy.add(text, "policy.json");
    policy.apply({.identifier = "docker-image://docker.io/library/debian:12", .attributes = {}},
                 nullptr);
    policy.apply(
        {.identifier = "https://host.example/file", .attributes = {{"http.checksum", "sha256:00"}}},
        nullptr);
  } catch (const base::Error&) {
  }
  return 0;
}
