#include "store/oci/platform.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace oci {

namespace {

#if defined(__x86_64__)
constexpr std::string_view kHostArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view kHostArchitecture = "arm64";
#elif defined(__arm__)
constexpr std::string_view kHostArchitecture = "arm";
#elif defined(__i386__)
constexpr std::string_view kHostArchitecture = "386";
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::string_view kHostArchitecture = "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
constexpr std::string_view kHostArchitecture = "ppc64le";
#elif defined(__s390x__)
constexpr std::string_view kHostArchitecture = "s390x";
#else
#error "name this processor as Go does"
#endif

constexpr std::array<std::string_view, 8> kSystems = {"linux",   "windows", "darwin", "freebsd",
                                                      "openbsd", "netbsd",  "wasip1", "solaris"};
constexpr std::array<std::string_view, 16> kArchitectures = {
    "amd64",    "arm64",  "arm",    "386",  "ppc64le", "ppc64", "s390x", "riscv64",
    "mips64le", "mips64", "mipsle", "mips", "loong64", "wasm",  "armbe", "arm64be"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_component(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

[[noreturn]] void refuse(std::string_view text, std::string_view rule) {
  throw base::Error(base::Code::kInvalid,
                    base::str("\"", base::printable(text, 100), "\" is not a platform: ", rule),
                    "bad-platform");
}

void normalize_architecture(Platform& p) {
  std::string& a = p.architecture;
  std::string& v = p.variant;
  if (a == "x86_64" || a == "x86-64") a = "amd64";
  if (a == "aarch64") a = "arm64";
  if (a == "i386" || a == "i486" || a == "i586" || a == "i686") a = "386";
  if (a == "armhf") a = "arm", v = "v7";
  if (a == "armel") a = "arm", v = "v6";
  if ((a == "arm" || a == "arm64" || a == "amd64") && !v.empty() && v[0] >= '0' && v[0] <= '9')
    v = "v" + v;
  if (a == "arm" && v.empty()) v = "v7";
  if (a == "arm64" && (v == "v8" || v == "v8.0")) v.clear();
  if (a == "amd64" && v == "v1") v.clear();
}

/// N of "vN" or "vN.M" as 100 N + M; the baseline for no variant; nullopt for another spelling.
std::optional<uint64_t> variant_level(const Platform& p) {
  if (p.variant.empty()) return p.architecture == "arm64" ? 800 : 100;
  if (p.variant[0] != 'v') return std::nullopt;
  std::vector<std::string> parts = base::split(std::string_view(p.variant).substr(1), '.');
  auto major = base::parse_decimal(parts[0]);
  auto minor = parts.size() > 1 ? base::parse_decimal(parts[1]) : 0;
  if (!major || !minor || parts.size() > 2 || *major > 999 || *minor > 99) return std::nullopt;
  return *major * 100 + *minor;
}

}  // namespace

Platform Platform::host() {
  return Platform{.os = "linux", .architecture = std::string(kHostArchitecture)}.normalized();
}

Platform Platform::normalized() const {
  Platform p = *this;
  p.os = base::to_lower(p.os);
  if (p.os == "macos") p.os = "darwin";
  p.architecture = base::to_lower(p.architecture);
  p.variant = base::to_lower(p.variant);
  normalize_architecture(p);
  return p;
}

Platform Platform::parse(std::string_view text) {
  std::vector<std::string> parts = base::split(text, '/');
  if (parts.size() > 3) refuse(text, "write OS/ARCHITECTURE[/VARIANT]");
  Platform p;
  size_t open = parts[0].find('(');
  if (open != std::string::npos && parts[0].ends_with(')')) {
    p.os_version = parts[0].substr(open + 1, parts[0].size() - open - 2);
    parts[0].resize(open);
  }
  for (const std::string& part : parts)
    if (!is_component(part)) refuse(text, "write OS/ARCHITECTURE[/VARIANT]");
  if (parts.size() == 1) {
    Platform alone = Platform{.os = parts[0], .architecture = parts[0]}.normalized();
    Platform host = Platform::host();
    if (contains(kSystems, alone.os)) {
      host.os = alone.os;
    } else if (contains(kArchitectures, alone.architecture)) {
      host.architecture = alone.architecture;
      host.variant = alone.variant;
    } else {
      refuse(text, "neither a known system nor a known processor");
    }
    host.os_version = p.os_version;
    return host;
  }
  p.os = parts[0];
  p.architecture = parts[1];
  if (parts.size() == 3) p.variant = parts[2];
  return p.normalized();
}

std::string Platform::str() const {
  std::string text = os + "/" + architecture;
  if (!variant.empty()) text += "/" + variant;
  return text;
}

bool Platform::satisfies(const Platform& wanted) const {
  Platform have = normalized();
  Platform want = wanted.normalized();
  if (have.os != want.os || have.architecture != want.architecture) return false;
  if (have.variant == want.variant) return true;
  if (have.architecture != "arm" && have.architecture != "arm64" && have.architecture != "amd64")
    return false;
  auto have_level = variant_level(have);
  auto want_level = variant_level(want);
  return have_level && want_level && *have_level <= *want_level;
}

}  // namespace oci
