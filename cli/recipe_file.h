#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace cli {

/// A recipe, its context and the ignore file that goes with them, read but not parsed.
struct RecipeFile {
  std::string name;                 ///< as shown to the user
  std::string text;
  std::string identity;             ///< the same for the same recipe in every build
  std::filesystem::path context;    ///< empty: an empty context
  std::optional<std::string> ignore_text;
  std::string ignore_name;
};

/// Finds the recipe: `file` as given (relative to the working directory, else to the context), "-" for
/// standard input, else the default names in `context`. A context of "-" is empty and its recipe is
/// standard input. Throws NotFound (id "recipe-missing"), Unsupported for contexts that are not built.
/// [spec/dockerfile.md G1, 9.1]
RecipeFile find_recipe(const std::optional<std::string>& file, const std::string& context, int in_fd);

}  // namespace cli
