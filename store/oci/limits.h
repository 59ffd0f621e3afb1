#pragma once

#include <cstddef>
#include <cstdint>

namespace oci {

/// Bounds on documents from outside, each checked before the document is believed.
inline constexpr uint64_t kMaxManifestBytes = 4u << 20;  ///< manifest or index
inline constexpr uint64_t kMaxConfigBytes = 8u << 20;
inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxLayers = 500;
inline constexpr size_t kMaxIndexDepth = 4;  ///< index inside index

}  // namespace oci
