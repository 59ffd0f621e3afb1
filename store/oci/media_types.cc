#include "store/oci/media_types.h"

#include <algorithm>

namespace oci {

namespace {

struct KnownLayer {
  std::string_view name;
  LayerType type;
};

using enum LayerEncoding;
constexpr KnownLayer kLayers[] = {
    {media_type::kLayer, {kNone, false, false}},
    {media_type::kLayerGzip, {kGzip, false, false}},
    {media_type::kLayerZstd, {kZstd, false, false}},
    {media_type::kDockerLayer, {kNone, false, true}},
    {media_type::kDockerLayerGzip, {kGzip, false, true}},
    {media_type::kDockerLayerZstd, {kZstd, false, true}},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar", {kNone, true, false}},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", {kGzip, true, false}},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", {kZstd, true, false}},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar", {kNone, true, true}},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", {kGzip, true, true}},
};

bool is_name(std::string_view text) {
  auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 127 && alnum(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return alnum(c) || std::string_view("!#$&^_.+-").find(c) != std::string_view::npos;
         });
}

}  // namespace

bool find_layer_type(std::string_view name, LayerType* type) {
  for (const KnownLayer& known : kLayers) {
    if (known.name != name) continue;
    *type = known.type;
    return true;
  }
  return false;
}

bool is_manifest_type(std::string_view name) {
  return name == media_type::kManifest || name == media_type::kDockerManifest;
}

bool is_index_type(std::string_view name) {
  return name == media_type::kIndex || name == media_type::kDockerList;
}

bool is_config_type(std::string_view name) {
  return name == media_type::kConfig || name == media_type::kDockerConfig;
}

std::string_view layer_media_type(LayerEncoding encoding, bool docker) {
  switch (encoding) {
    case kGzip:
      return docker ? media_type::kDockerLayerGzip : media_type::kLayerGzip;
    case kZstd:
      return docker ? media_type::kDockerLayerZstd : media_type::kLayerZstd;
    case kNone:
      break;
  }
  return docker ? media_type::kDockerLayer : media_type::kLayer;
}

bool is_valid_media_type(std::string_view name) {
  size_t slash = name.find('/');
  return slash != std::string_view::npos && is_name(name.substr(0, slash)) &&
         is_name(name.substr(slash + 1));
}

}  // namespace oci
