#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "store/oci/digest.h"
#include "store/oci/platform.h"

namespace oci {

using Annotations = std::map<std::string, std::string>;

/// The only way one thing refers to another: media type, digest, size. A value.
/// [OCI image-spec, descriptor.md]
struct Descriptor {
  std::string media_type;
  Digest digest;
  uint64_t size_bytes = 0;  ///< at most 2^63-1
  std::vector<std::string> urls{};
  Annotations annotations{};
  std::string data{};  ///< embedded content, decoded; empty when there is none
  std::string artifact_type{};
  std::optional<Platform> platform{};

  /// Describes bytes in memory (SHA-256).
  static Descriptor of(std::string_view media_type, base::Bytes content);
  static Descriptor of(std::string_view media_type, std::string_view content) {
    return of(media_type, base::as_bytes(content));
  }
  /// One JSON object. Throws Invalid.
  static Descriptor parse(std::string_view json);
  std::string to_json() const;

  /// An annotation's value, or "".
  std::string annotation(std::string_view key) const;

  bool operator==(const Descriptor&) const = default;
};

}  // namespace oci
