#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/events.h"
#include "builder/cache/definition.h"
#include "store/records.h"

namespace solve {

/// Why a step runs: what changed since `before`, the last thing remembered of its place in the
/// recipe. At most 100 changes and how many more there are. `forced` says why what is remembered
/// was not asked, and is empty where it was.
std::vector<base::event::CacheMiss> explain_miss(int step, std::string_view forced,
                                                 const std::optional<store::CacheRecord>& before,
                                                 const cache::Definition& definition);

}  // namespace solve
