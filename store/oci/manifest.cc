#include "store/oci/manifest.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "store/oci/image_config.h"
#include "store/oci/index.h"
#include "store/oci/json_fields.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"
#include "store/oci/strict_json.h"

namespace oci {

namespace {

[[noreturn]] void invalid(const std::string& message) {
  throw base::Error(base::Code::kInvalid, message, "bad-document");
}

nlohmann::json parse_document(std::string_view json, std::string_view what) {
  if (json.size() > kMaxManifestBytes)
    invalid(base::str(what, ": ", json.size(), " bytes; the limit is ", kMaxManifestBytes));
  nlohmann::json document = parse_strict_json(json, what);
  if (!document.is_object()) invalid(base::str(what, ": not a JSON object"));
  return document;
}

void require_version(const Fields& fields) {
  auto version = fields.integer("schemaVersion", 0, INT32_MAX);
  if (!version) fields.fail("schemaVersion", "missing");
  if (version == 1)
    throw base::Error(base::Code::kUnsupported,
                      fields.where("schemaVersion") + ": Docker schema 1 images are not supported",
                      "image-too-old");
  if (version != 2) fields.fail("schemaVersion", "must be 2");
}

/// The document's type: its own field and its descriptor's must agree where both speak.
std::string agreed_type(const Fields& fields, std::string_view described_as,
                        std::string_view fallback) {
  std::string own = fields.text("mediaType");
  if (!own.empty() && !described_as.empty() && own != described_as)
    fields.fail("mediaType", base::str("says ", base::printable(own, 100), ", the descriptor says ",
                                       base::printable(described_as, 100)));
  if (!own.empty()) return own;
  return std::string(described_as.empty() ? fallback : described_as);
}

}  // namespace

Manifest Manifest::parse(std::string_view json, std::string_view described_as) {
  Manifest manifest = parse_artifact(json, described_as);
  manifest.require_image();
  return manifest;
}

Manifest Manifest::parse_artifact(std::string_view json, std::string_view described_as) {
  nlohmann::json document = parse_document(json, "manifest");
  Fields fields(document, "manifest");
  require_version(fields);
  std::string type = agreed_type(fields, described_as, media_type::kManifest);
  if (!is_manifest_type(type))
    fields.fail("mediaType", base::printable(type, 100) + " is not an image manifest");
  if (document.contains("manifests")) fields.fail("manifests", "has no place beside layers");
  auto config = fields.descriptor("config");
  if (!config) fields.fail("config", "missing");
  Manifest out{.media_type = std::move(type), .config = *std::move(config)};
  out.layers = fields.descriptors("layers", kMaxLayers);
  out.artifact_type = fields.text("artifactType");
  out.subject = fields.descriptor("subject");
  out.annotations = fields.text_map("annotations");
  out.raw = json;
  return out;
}

void Manifest::require_image() const {
  if (!is_config_type(config.media_type))
    invalid(base::str("manifest: config.mediaType: ", base::printable(config.media_type, 100),
                      " is not an image configuration"));
  if (layers.size() > kMaxLayers)
    invalid(base::str("manifest: layers: ", layers.size(), " entries; the limit is ", kMaxLayers));
  LayerType type;
  for (const Descriptor& layer : layers)
    if (!find_layer_type(layer.media_type, &type))
      invalid(base::str("manifest: layer ", layer.digest.str(), ": unknown media type ",
                        base::printable(layer.media_type, 100)));
}

void Manifest::require_matching(const ImageConfig& image_config) const {
  if (image_config.diff_ids.size() != layers.size())
    invalid(base::str("config ", config.digest.str(), ": rootfs.diff_ids has ",
                      image_config.diff_ids.size(), " entries, the manifest has ", layers.size(),
                      " layers"));
}

bool Manifest::is_docker() const { return media_type == media_type::kDockerManifest; }

std::string Manifest::to_json() const {
  nlohmann::ordered_json out;
  out["schemaVersion"] = 2;
  out["mediaType"] = media_type;
  if (!artifact_type.empty()) out["artifactType"] = artifact_type;
  out["config"] = write_descriptor(config);
  out["layers"] = nlohmann::ordered_json::array();
  for (const Descriptor& layer : layers) out["layers"].push_back(write_descriptor(layer));
  if (subject) out["subject"] = write_descriptor(*subject);
  if (!annotations.empty()) out["annotations"] = annotations;
  return dump_json(out);
}

Index Index::parse(std::string_view json, std::string_view described_as) {
  nlohmann::json document = parse_document(json, "index");
  Fields fields(document, "index");
  require_version(fields);
  Index out{.media_type = agreed_type(fields, described_as, media_type::kIndex)};
  if (!is_index_type(out.media_type))
    fields.fail("mediaType", base::printable(out.media_type, 100) + " is not an image index");
  if (document.contains("layers") || document.contains("config"))
    fields.fail("layers", "has no place beside manifests");
  out.manifests = fields.descriptors("manifests", SIZE_MAX);
  out.artifact_type = fields.text("artifactType");
  out.subject = fields.descriptor("subject");
  out.annotations = fields.text_map("annotations");
  out.raw = json;
  return out;
}

DocumentKind document_kind(std::string_view json, std::string_view described_as) {
  nlohmann::json document = parse_document(json, "manifest");
  std::string type = agreed_type(Fields(document, "manifest"), described_as, "");
  bool has_layers = document.contains("layers");
  bool has_manifests = document.contains("manifests");
  if (has_layers && has_manifests) invalid("manifest: both layers and manifests");
  if (is_index_type(type) || (type.empty() && has_manifests)) return DocumentKind::kIndex;
  if (is_manifest_type(type) || (type.empty() && has_layers)) return DocumentKind::kManifest;
  invalid(base::str("manifest: mediaType: \"", base::printable(type, 100),
                    "\" is neither a manifest nor an index"));
}

}  // namespace oci
