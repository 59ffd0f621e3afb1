#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace oci {

/// What an image runs on. [OCI image-spec, image-index.md, "platform"]
struct Platform {
  std::string os;            ///< "linux"
  std::string architecture;  ///< "amd64", as Go names it
  std::string variant;       ///< "v7", or empty
  std::string os_version;
  std::vector<std::string> os_features;

  /// "linux/arm64/v8", "linux", "arm64" (either part alone keeps the other from the host);
  /// normalised. Throws Invalid.
  static Platform parse(std::string_view text);
  /// This machine, normalised.
  static Platform host();

  /// Other names of the same thing folded: x86_64 is amd64, aarch64 is arm64, armhf is arm/v7;
  /// arm64/v8 and amd64/v1 are written without variant.
  Platform normalized() const;
  /// "linux/arm/v7".
  std::string str() const;
  /// Whether an image for this platform does for `wanted`: same os and architecture, and the same
  /// variant or, on arm and amd64, an older one. os_version and os_features are not compared.
  bool satisfies(const Platform& wanted) const;

  auto operator<=>(const Platform&) const = default;
};

}  // namespace oci
