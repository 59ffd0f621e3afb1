#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/parser.h"

namespace dockerfile {

/// Every error of grammar and order in a parsed recipe, in file order: unknown instructions, bad
/// flags, missing arguments, instructions before FROM. Wrong values (a port, a mode, a mount
/// option) are left to who builds the stage they stand in (S5). Empty when the recipe is valid.
/// Instructions the parser marked broken are skipped, their errors were reported. Never throws for
/// the recipe.
std::vector<Diagnostic> validate(const Recipe& recipe);

/// parse() and validate() in one: throws RecipeError with the errors of both, so that a user sees
/// all mistakes of a recipe at once.
Recipe parse_and_validate(std::string_view text, std::string file);

}  // namespace dockerfile
