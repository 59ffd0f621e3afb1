#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cli {

/// "pkg:deb/debian/libc6@2.36-9?arch=amd64": a package as inventories name it. `name` may have name
/// spaces in front, parted by slashes; what is empty is left out.
/// [github.com/package-url/purl-spec]
std::string package_url(std::string_view type, std::string_view name, std::string_view version,
                        const std::vector<std::pair<std::string, std::string>>& qualifiers);

}  // namespace cli
