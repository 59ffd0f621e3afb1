#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/remote/fetcher.h"

namespace cli {

/// A recipe, its context and the ignore file that goes with them, read but not parsed.
struct RecipeFile {
  std::string name;  ///< as shown to the user
  std::string text;
  std::string identity;           ///< the same for the same recipe in every build
  std::filesystem::path context;  ///< empty: an empty context
  std::string context_name;       ///< as shown to the user
  bool is_temporary = false;      ///< the context was fetched or unpacked for this build
  /// Time of a git context's commit, or when a context of the web changed last: the epoch
  /// "context".
  std::optional<int64_t> context_time;
  std::optional<std::string> ignore_text;
  std::string ignore_name;
  std::string other_name;  ///< a second recipe by a default name, which is not used
};

/// What the command line says of recipe and context.
struct RecipeRequest {
  std::optional<std::string> file;         ///< path, URL, or "-"
  std::vector<std::string> more_files;     ///< appended to it: paths or URLs
  std::string context;                     ///< directory, "-", URL, or git reference
  std::optional<std::string> ignore_file;  ///< --ignorefile
  bool keep_git_dir = false;               ///< of a git context
  int in_fd = 0;
  const SourcePolicy* policy = nullptr;  ///< asked about what lies on this machine; borrowed
};

/// Finds the recipe: `file` as given (relative to the working directory, else to the context), "-"
/// for standard input, else the default names in the context. A context of "-" is a tar on standard
/// input, or empty with the recipe there. Remote contexts are fetched; `fetcher` keeps them. Throws
/// NotFound (id "recipe-missing"). [spec/dockerfile.md G1, 9.1]
RecipeFile find_recipe(const RecipeRequest& request, Fetcher& fetcher);

}  // namespace cli
