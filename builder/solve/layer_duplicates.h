#pragma once

#include <cstdint>
#include <string>

#include "overlay/snapshot.h"

namespace solve {

/// Files that a step stored once more although their content did not change: the format knows no
/// change of owner or mode alone. [check LayerDuplicatesContent, spec/dockerfile.md M5]
struct Duplicates {
  uint64_t bytes = 0;
  uint64_t files = 0;
  std::string largest;  ///< path of the largest of them
};

/// What of the writable layer is below it as well. Answers with nothing below `at_least` bytes, and
/// is cheap then. A file of the same size and date counts as unchanged, after the contents of as
/// many as make `at_least` bytes were compared.
Duplicates find_duplicates(const store::Store& store, const overlay::Active& active,
                           uint64_t at_least);

}  // namespace solve
