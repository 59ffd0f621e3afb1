#pragma once

#include <string>
#include <vector>

#include "store/oci/image_config.h"

namespace cli {

/// Applies instructions in recipe text (`ENV A=b`, `CMD ["sh"]`) to a configuration, as the planner
/// would after FROM: what `import -c` and `commit -c` ask for. Instructions that make files (RUN,
/// COPY, ADD) and FROM are refused. Throws RecipeError, Invalid.
void apply_changes(oci::ImageConfig& config, const std::vector<std::string>& changes);

}  // namespace cli
