#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "store/layer/pax.h"

namespace layer {

// GNU sparse members in their pax forms (0.0, 0.1, 1.0): the archive holds only the data regions,
// one after the other. Internal to the room.

struct SparseRegion {
  int64_t offset = 0;
  int64_t length = 0;
};

/// Which sparse form the records of a member announce.
enum class SparseForm { kNone, kMapInRecords, kMapInData };
SparseForm sparse_form(const PaxRecords& records);

/// The map of forms 0.0 and 0.1. nullopt when it is malformed or longer than `limit` regions.
std::optional<std::vector<SparseRegion>> parse_sparse_records(const PaxRecords& records,
                                                              uint64_t limit);

/// The map of form 1.0, which opens the member's data in whole blocks; `read_block` gives the next
/// 512 bytes, empty at the end of the data.
std::optional<std::vector<SparseRegion>> parse_sparse_data(
    const std::function<std::string_view()>& read_block, uint64_t limit);

/// Regions in order, without overlap, inside a file of `size` bytes.
bool valid_sparse_map(const std::vector<SparseRegion>& map, int64_t size);

}  // namespace layer
