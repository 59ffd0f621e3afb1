#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/oci/descriptor.h"

namespace oci {

/// A list of manifests (or of further indexes): an image for several platforms, or the root of a
/// layout. [OCI image-spec, image-index.md]
struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests{};
  std::string artifact_type{};
  std::optional<Descriptor> subject{};
  Annotations annotations{};

  /// Like Manifest::parse(). Entries with platforms and types torte does not know are kept.
  static Index parse(std::string_view json, std::string_view described_as = {});

  /// The entry that serves `wanted` best: exact variant before an older one; entries without a
  /// platform count last. Attestations and the like (platform "unknown") never. Null if none.
  const Descriptor* find(const Platform& wanted) const;

  std::string to_json() const;
  std::string bytes() const { return raw.empty() ? to_json() : raw; }
  Descriptor describe() const { return Descriptor::of(media_type, bytes()); }

  /// The exact bytes parse() read; empty in one being built. Clear it after changing a field.
  std::string raw{};
};

/// What a document with this content is, whatever its name: looks at mediaType, then at which of
/// `layers` and `manifests` it has. Throws Invalid when it is neither or both.
enum class DocumentKind { kManifest, kIndex };
DocumentKind document_kind(std::string_view json, std::string_view described_as = {});

}  // namespace oci
