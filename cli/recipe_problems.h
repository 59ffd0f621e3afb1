#pragma once

#include <memory>
#include <string>
#include <vector>

#include "builder/dockerfile/diagnostic.h"
#include "cli/error_view.h"

namespace cli {

/// Diagnostics of a recipe, for printing. `source` is the recipe's text, or null for no excerpts.
std::vector<Problem> recipe_problems(const std::vector<dockerfile::Diagnostic>& diagnostics,
                                     std::shared_ptr<const std::string> source);

/// What to print for any error: all diagnostics of a RecipeError, else the error itself. Excerpts
/// that lack their text get it from the file they name, where that can be read.
std::vector<Problem> problems_of(const base::Error& error);

}  // namespace cli
