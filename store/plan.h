#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/collect.h"
#include "store/core.h"

/// Inside the room: what there is, what is in use, and what may go. All of it plain data, made
/// under gc.lock and carried out, shown or forgotten afterwards.
namespace store {

struct ImageRow {
  std::optional<std::string> manifest;
  std::string platform;
  int64_t last_used = 0;
  std::vector<std::string> names;
  std::vector<std::string> layers;
  std::vector<std::string> blobs;  ///< beside id and manifest, the digests of its names included
};

struct LayerRow {
  Origin origin = Origin::kBuilt;
  uint64_t tar_size = 0;
  uint64_t tree_size = 0;
  std::optional<uint32_t> tar_crc32;
  std::vector<LayerBlob> blobs;
};

struct CacheRow {
  std::string key;
  std::string slot;
  std::optional<std::string> result;
  int64_t last_used = 0;
};

/// Everything the records say and the directories hold. Ids are texts with their algorithm.
struct Snapshot {
  std::map<std::string, ImageRow> images;
  std::map<std::string, LayerRow> layers;
  std::vector<CacheRow> cache;                   ///< least recently used first
  std::set<std::string> layer_dirs;              ///< diff ids of what lies in layers/
  std::map<std::string, uint64_t> blob_sizes;    ///< digest → bytes, of what lies in blobs/
  std::vector<std::string> strange;              ///< paths in layers/ and blobs/ that are neither
  Uses uses;                                     ///< of live leases and of containers
  std::map<std::string, size_t> container_uses;  ///< image → containers
  uint64_t free_bytes = 0;                       ///< of the store's file system
};

/// The caller holds gc.lock, or does not mind a torn view.
Snapshot take_snapshot(Core& core);

/// Uses of containers and of live leases; dead leases are removed.
Uses collect_uses(Core& core, std::map<std::string, size_t>* containers_of_image = nullptr);

/// What to remove. Records go before files.
struct Plan {
  std::vector<std::string> images;
  std::vector<std::string> cache;
  std::set<std::string> layers;  ///< diff ids, with or without a record
  std::set<std::string> blobs;
};

Plan plan_prune(const Snapshot& snapshot, const PruneOptions& options, int64_t now);

/// On disk; measured when the record does not know.
uint64_t layer_bytes(const Core& core, const Snapshot& snapshot, const std::string& diff_id);

/// Removes the records in one transaction, then moves the files to trash. The caller holds gc.lock
/// exclusively.
void carry_out(Core& core, const Plan& plan);

}  // namespace store
