#pragma once

#include <string_view>

namespace oci {

namespace media_type {
inline constexpr std::string_view kManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kEmpty = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view kLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view kDockerLayerZstd =
    "application/vnd.docker.image.rootfs.diff.tar.zstd";
}  // namespace media_type

namespace annotation {
inline constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";
inline constexpr std::string_view kContainerdName = "io.containerd.image.name";
inline constexpr std::string_view kCreated = "org.opencontainers.image.created";
}  // namespace annotation

/// How a layer blob's tar is packed, as its media type says.
enum class LayerEncoding { kNone, kGzip, kZstd };

/// What is known of a layer media type.
struct LayerType {
  LayerEncoding encoding = LayerEncoding::kNone;
  bool foreign = false;  ///< "nondistributable" or docker's "foreign": lives at other URLs
  bool docker = false;
};

/// True and fills `type` when `name` is a layer media type torte knows (OCI, Docker schema 2).
bool find_layer_type(std::string_view name, LayerType* type);
bool is_manifest_type(std::string_view name);  ///< OCI or Docker schema 2 manifest
bool is_index_type(std::string_view name);     ///< OCI index or Docker manifest list
bool is_config_type(std::string_view name);    ///< OCI or Docker image configuration
/// The OCI layer type of an encoding; with `docker` Docker's.
std::string_view layer_media_type(LayerEncoding encoding, bool docker = false);
/// RFC 6838 type/subtype names as the OCI schemas restrict them.
bool is_valid_media_type(std::string_view name);

}  // namespace oci
