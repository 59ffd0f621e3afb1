#include "cli/recipe_file.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/text.h"
#include "builder/dockerfile/parser.h"

namespace cli {

namespace {

constexpr uint64_t kMostIgnoreBytes = 16 << 20;
constexpr const char* kDefaultNames[] = {"Recipe", "Dockerfile", "Containerfile", "dockerfile"};

bool is_file(const std::filesystem::path& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && !S_ISDIR(st.st_mode);
}

std::string read_standard_input(int fd) {
  sys::FdSource source(fd, "standard input");
  return base::with_context("recipe on standard input",
                            [&] { return base::read_all(source, dockerfile::kMaxRecipeSize); });
}

// A recipe named with -f: what the user typed, else the same below the context.
std::filesystem::path locate_named(const std::filesystem::path& path,
                                   const std::filesystem::path& context) {
  if (is_file(path) || path.is_absolute()) return path;
  return is_file(context / path) ? context / path : path;
}

// A recipe found by a default name came with the context, so a link must not lead it out of there.
void read_default(RecipeFile& recipe, std::filesystem::path& path) {
  sys::Root root = sys::Root::open(recipe.context);
  for (const char* name : kDefaultNames) {
    std::optional<std::string> text = base::with_context(
        recipe.context.string(),
        [&] { return root.read_file(sys::RootedPath(name), dockerfile::kMaxRecipeSize); });
    if (!text) continue;
    recipe.text = std::move(*text);
    path = recipe.context / name;
    return;
  }
  throw base::Error(base::Code::kNotFound, "no recipe in " + recipe.context.string(), "recipe-missing")
      .add_fact("looked for Recipe, Dockerfile, Containerfile and dockerfile")
      .add_help("name it with -f");
}

void require_directory(const std::string& context) {
  struct stat st;
  if (context.find("://") != std::string::npos || context.starts_with("git@"))
    throw base::Error(base::Code::kUnsupported,
                      "context " + base::printable(context) + ": remote contexts are not built yet",
                      "not-built");
  if (::stat(context.c_str(), &st) < 0) base::throw_errno("build context " + context);
  if (!S_ISDIR(st.st_mode))
    throw base::Error(base::Code::kInvalid, "build context " + context + " is not a directory",
                      "context-invalid");
}

void find_ignore_file(RecipeFile& recipe, const std::filesystem::path& path) {
  std::vector<std::filesystem::path> candidates;
  if (!path.empty()) candidates.push_back(path.string() + ".dockerignore");
  candidates.push_back(recipe.context / ".containerignore");
  candidates.push_back(recipe.context / ".dockerignore");
  for (const std::filesystem::path& candidate : candidates) {
    recipe.ignore_text = sys::find_user_file(candidate, kMostIgnoreBytes);
    recipe.ignore_name = candidate.string();
    if (recipe.ignore_text) return;
  }
}

}  // namespace

RecipeFile find_recipe(const std::optional<std::string>& file, const std::string& context,
                       int in_fd) {
  RecipeFile recipe;
  if (context == "-") {
    if (file)
      throw base::Error(base::Code::kUnsupported,
                        "a context on standard input together with -f is not built yet", "not-built");
    recipe.name = "-";
    recipe.identity = "-";
    recipe.text = read_standard_input(in_fd);
    return recipe;
  }
  require_directory(context);
  recipe.context = context;
  if (file == "-") {
    recipe.name = "-";
    recipe.identity = std::filesystem::canonical(context).string() + "/-";
    recipe.text = read_standard_input(in_fd);
    find_ignore_file(recipe, {});
    return recipe;
  }
  std::filesystem::path path;
  if (file) path = locate_named(*file, recipe.context);
  try {
    if (!file) read_default(recipe, path);
    else recipe.text = sys::read_user_file(path, dockerfile::kMaxRecipeSize);
  } catch (base::SystemError& e) {
    if (e.error_number() != ENOENT) throw;
    throw base::Error(base::Code::kNotFound, "recipe " + path.string() + " does not exist",
                      "recipe-missing");
  }
  recipe.name = path.lexically_normal().string();
  recipe.identity = std::filesystem::absolute(path).lexically_normal().string();
  find_ignore_file(recipe, path);
  return recipe;
}

}  // namespace cli
