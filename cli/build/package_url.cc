#include "cli/build/package_url.h"

#include <cctype>

namespace cli {

namespace {

// [RFC 3986], leaving `also` as it is.
std::string percent(std::string_view text, std::string_view also = {}) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        std::isalnum(byte) || std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain || also.find(c) != std::string_view::npos)
      out += c;
    else
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

}  // namespace

std::string package_url(std::string_view type, std::string_view name, std::string_view version,
                        const std::vector<std::pair<std::string, std::string>>& qualifiers) {
  std::string out = "pkg:" + std::string(type) + "/" + percent(name, "/");
  if (!version.empty()) out += "@" + percent(version);
  char mark = '?';
  for (const auto& [key, value] : qualifiers) {
    if (value.empty()) continue;
    out += mark + key + "=" + percent(value);
    mark = '&';
  }
  return out;
}

}  // namespace cli
