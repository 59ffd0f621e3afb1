#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "store/oci/descriptor.h"
#include "store/oci/image_config.h"
#include "store/oci/manifest.h"
#include "store/oci/media_types.h"
#include "tests/support/temp_dir.h"

namespace support {

/// A tar of one file "name", good enough for every reader here.
inline std::string small_tar(const std::string& name, const std::string& content) {
  std::string block(512, '\0');
  auto put = [&](size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  char size[12];
  snprintf(size, sizeof size, "%011zo", content.size());
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, size);
  put(136, "00000000000");
  put(148, "        ");
  put(156, "0");
  put(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  char checksum[8];
  snprintf(checksum, sizeof checksum, "%06o", sum);
  put(148, std::string(checksum, 7));
  std::string padded = content;
  padded.resize((content.size() + 511) / 512 * 512);
  return block + padded + std::string(1024, '\0');
}

/// A correct one-layer image, and a writer of it as a layout directory that a test may then spoil.
struct LayoutFixture {
  std::string layer = small_tar("hello", "hello\n");
  oci::ImageConfig config;
  oci::Manifest manifest;

  LayoutFixture()
      : manifest{.media_type = std::string(oci::media_type::kManifest),
                 .config = oci::Descriptor::of(oci::media_type::kConfig, "")} {
    config.platform = {.os = "linux", .architecture = "amd64"};
    config.created = "2024-01-01T00:00:00Z";
    config.diff_ids = {oci::DiffId(oci::Digest::sha256_of(layer))};
    // umoci stat dereferences the time of every step without looking.
    config.history = {{.created = config.created, .created_by = "test"}};
    manifest.config = config.describe(oci::media_type::kConfig);
    manifest.layers = {oci::Descriptor::of(oci::media_type::kLayer, layer)};
  }

  static std::string path_of(const oci::Digest& digest) {
    return base::str("layout/blobs/sha256/", digest.hex());
  }
  static std::string index_of(const std::vector<oci::Descriptor>& entries) {
    std::string text = R"({"schemaVersion":2,"manifests":[)";
    for (size_t i = 0; i < entries.size(); ++i) text += (i ? "," : "") + entries[i].to_json();
    return text + "]}";
  }
  oci::Descriptor entry(const std::string& ref_name = "t") const {
    oci::Descriptor d = manifest.describe();
    if (!ref_name.empty()) d.annotations = {{std::string(oci::annotation::kRefName), ref_name}};
    return d;
  }
  /// Writes to DIR/layout.
  void write(const TempDir& dir) const {
    dir.write("layout/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    dir.write("layout/index.json", index_of({entry()}));
    dir.write(path_of(manifest.layers[0].digest), layer);
    dir.write(path_of(manifest.config.digest), config.bytes());
    dir.write(path_of(manifest.describe().digest), manifest.bytes());
  }
};

}  // namespace support
