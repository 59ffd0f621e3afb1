#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/oci/digest.h"

/// What the store remembers, as values. Times are kept to the millisecond.
namespace store {

using Time = std::chrono::system_clock::time_point;

/// Where a layer came from.
enum class Origin {
  kBuilt = 0,
  kPulled = 1,
  kKnown = 2,  ///< it has not come: its blobs tell where it is, its sizes are what was told of it
};

/// One encoding of a layer: the blob it is (or was, or would be) sent as. Remembered even when the
/// blob itself is not kept, so that a push can ask a registry for it without making it again.
struct LayerBlob {
  oci::Digest digest;
  std::string media_type;
  uint64_t size_bytes = 0;
  std::string compression;  ///< "gzip", "zstd", "none", with settings: "gzip-isal-3"
  /// torte's own encoder makes the same bytes from the tree: prune may drop the blob.
  bool remakeable = false;
  /// Where it can be fetched again, "registry/repository"; empty when unknown.
  std::string source = {};
};

/// One layer tree in layers/, or one that is known and not there yet (Origin::kKnown).
struct LayerRecord {
  oci::DiffId diff_id;
  uint64_t tar_size_bytes = 0;   ///< of the canonical (or the pulled) tar
  uint64_t tree_size_bytes = 0;  ///< on disk, unpacked
  /// Of the canonical tar, where torte made that when the layer came: tells a tree that changed
  /// since, for less than hashing costs.
  std::optional<uint32_t> tar_crc32 = {};
  Origin origin = Origin::kBuilt;
  Time created = {};
  Time last_used = {};
  std::vector<LayerBlob> blobs = {};
};

/// One remembered step: the digest of its definition, and what it made.
struct CacheRecord {
  std::string key;         ///< hex digest of `definition`
  std::string definition;  ///< readable text, one field a line; what --explain compares
  std::string slot;        ///< where in which recipe the step stands: recipe, stage, instruction
  std::optional<oci::DiffId> result = {};  ///< nullopt: the step made no layer
  std::string extra = {};                  ///< the builder's own text (JSON), stored as it is
  Time created = {};
  Time last_used = {};
  std::chrono::milliseconds duration{0};  ///< of the step when it ran
  uint64_t size_bytes = 0;                ///< of the layer it made
};

/// A name of an image.
struct Name {
  std::string name;  ///< normalised: "docker.io/library/alpine:3.19"
  /// The manifest or index that the name led to when it was pulled.
  std::optional<oci::Digest> digest = {};
};

/// One image: its identity is the digest of its configuration (the image id). The manifest of an
/// image that was built here is unknown until its layers were first compressed.
struct ImageRecord {
  oci::Digest id;
  std::optional<oci::Digest> manifest = {};
  std::string platform;  ///< "linux/amd64"
  Time created = {};     ///< as the configuration says
  Time added = {};       ///< to this store
  Time last_used = {};
  std::vector<oci::DiffId> layers = {};  ///< bottom first; a layer may appear more than once
  std::vector<oci::Digest> blobs = {};   ///< kept with the image beside id and manifest: index, ...
  /// Sum of the sizes of the layers' tars. Filled in by the store.
  uint64_t size_bytes = 0;
  /// Sorted. Filled in by the store: names are set through Batch::set_name and Store::tag.
  std::vector<Name> names = {};
};

}  // namespace store
