#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/records.h"

namespace store {

struct PruneOptions {
  bool images = true;  ///< images without a name, or with `all` every image no container uses
  bool cache = true;   ///< cache records whose layers no kept image has, or with `all` every one
  bool all = false;
  /// Also blobs of layers that stay, where torte can make or fetch the same bytes again.
  bool blobs = false;
  /// Whether this torte packs as LayerBlob::compression says: others' bytes cannot be made again.
  /// Unset: as all of them do.
  std::function<bool(const std::string& compression)> packs = {};
  /// Only what was last used longer ago.
  std::optional<std::chrono::milliseconds> older_than = {};
  /// Only as many cache records, oldest first, as bring the store down to this many bytes.
  std::optional<uint64_t> keep_storage_bytes = {};
  /// Only as many cache records, oldest first, as leave this much free on the file system.
  std::optional<uint64_t> min_free_bytes = {};
  /// Cache records may always need this much, whatever else is asked.
  std::optional<uint64_t> reserved_bytes = {};
  bool has_cap() const { return keep_storage_bytes || min_free_bytes || reserved_bytes; }
  bool dry_run = false;
};

struct Removed {
  std::string id;    ///< digest, diff id, cache key
  std::string what;  ///< shown: the image's names, a cache record's slot, a blob's media type
  uint64_t size_bytes = 0;  ///< on disk; 0 where the bytes are counted with another object
};

/// Exactly what went, or with a dry run what would go.
struct PruneReport {
  std::vector<Removed> images;
  std::vector<Removed> cache;
  std::vector<Removed> layers;
  std::vector<Removed> blobs;
  std::vector<Removed>
      leftovers;  ///< paths below the store: unfinished downloads, files that have no meaning
  uint64_t freed_bytes = 0;
  bool empty() const {
    return images.empty() && cache.empty() && layers.empty() && blobs.empty() && leftovers.empty();
  }
};

struct RemoveOptions {
  bool force = false;        ///< several names, or a container uses it: remove all the same
  bool keep_layers = false;  ///< leave freed layers to the next prune
};

struct RemoveReport {
  std::vector<std::string> untagged;
  std::vector<oci::Digest> deleted;  ///< images
  uint64_t freed_bytes = 0;
};

/// Bytes of a kind of object.
struct Usage {
  uint64_t count = 0;
  uint64_t active = 0;  ///< of them in use: named, or used by a container
  uint64_t total_bytes = 0;
  uint64_t reclaimable_bytes = 0;  ///< what prune --all would free
};

struct ImageUsage {
  ImageRecord image;
  uint64_t shared_bytes = 0;  ///< of layers that other images have too
  uint64_t unique_bytes = 0;
  size_t containers = 0;
};

struct DiskUsage {
  Usage images;        ///< layers of images, configurations, manifests
  Usage cache;         ///< layers that only cache records keep
  Usage blobs;         ///< compressed layers as pulled or pushed
  Usage containers;    ///< writable layers
  Usage cache_mounts;  ///< of RUN --mount=type=cache; torte prune --mounts takes them
  Usage volumes;    ///< directories that outlive containers; torte volume prune takes those without
  Usage leftovers;  ///< staging and trash, layers and blobs nobody names
  uint64_t total_bytes = 0;
  std::vector<ImageUsage> by_image;
};

}  // namespace store
