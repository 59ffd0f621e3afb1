#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/solve/shared_cache.h"
#include "store/store.h"

namespace cli {

/// One line for a step out of its definition: the command that ran, or where the files went.
std::string describe_step(std::string_view definition);

/// The remembered steps as builds offer them to a shared cache, those of `image` or all. The layers
/// below a step are those of the steps it stood on, and of the base image where the store still has
/// an image that shows it.
std::vector<solve::SharedStep> list_shared_steps(store::Store& store,
                                                 const std::optional<store::ImageRecord>& image);

}  // namespace cli
