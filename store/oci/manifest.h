#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/oci/descriptor.h"

namespace oci {

struct ImageConfig;

/// One image for one platform: a configuration and its layers, lowest first. Field by field it can
/// be built and changed; a parsed one also keeps the exact bytes, because its digest is of those.
/// [OCI image-spec, manifest.md]
struct Manifest {
  std::string media_type;  ///< OCI or Docker schema 2
  Descriptor config;
  std::vector<Descriptor> layers{};
  std::string artifact_type{};
  std::optional<Descriptor> subject{};
  Annotations annotations{};

  /// Reads an image manifest. `described_as` is the media type of the descriptor (or the
  /// Content-Type) that led here; empty when there was none. Throws Invalid: malformed JSON,
  /// duplicate keys, `layers` beside `manifests`, a media type that disagrees, unknown config or
  /// layer types, more than kMaxLayers layers, more than kMaxManifestBytes.
  /// [spec/security.md section 4]
  static Manifest parse(std::string_view json, std::string_view described_as = {});
  /// The same for a manifest of anything: config and layer types are not looked at.
  static Manifest parse_artifact(std::string_view json, std::string_view described_as = {});

  /// Throws Invalid unless config and layer types are those of an image.
  void require_image() const;
  /// Throws Invalid unless `config` has one diff id for each layer.
  void require_matching(const ImageConfig& image_config) const;
  /// True for Docker schema 2.
  bool is_docker() const;

  /// Deterministic: same fields, same bytes.
  std::string to_json() const;
  /// The bytes parse() saw; to_json() of a manifest that was built.
  std::string bytes() const { return raw.empty() ? to_json() : raw; }
  /// Descriptor of bytes().
  Descriptor describe() const { return Descriptor::of(media_type, bytes()); }

  /// The exact bytes parse() read; empty in one being built. Clear it after changing a field.
  std::string raw{};
};

}  // namespace oci
