#include "cli/recipe_problems.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <utility>

#include "base/sys/fd.h"
#include "builder/dockerfile/parser.h"

namespace cli {

namespace {

// The text of a file the user wrote, or null: an excerpt is a courtesy and must not fail.
std::shared_ptr<const std::string> read_source(const std::string& path) {
  sys::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
  if (std::cmp_greater(status.st_size, dockerfile::kMaxRecipeSize)) return nullptr;
  std::string text(static_cast<size_t>(status.st_size), '\0');
  ssize_t n = read(fd.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return std::make_shared<const std::string>(std::move(text));
}

void add_sources(std::vector<Problem>& problems) {
  std::map<std::string, std::shared_ptr<const std::string>> read;
  for (Problem& problem : problems) {
    if (!problem.place || problem.place->source_text != nullptr ||
        problem.place->where.first_line < 1)
      continue;
    auto [source, first] = read.try_emplace(problem.place->where.file);
    if (first) source->second = read_source(source->first);
    problem.place->source_text = source->second;
  }
}

}  // namespace

std::vector<Problem> recipe_problems(const std::vector<dockerfile::Diagnostic>& diagnostics,
                                     std::shared_ptr<const std::string> source) {
  std::vector<Problem> problems;
  for (const dockerfile::Diagnostic& diagnostic : diagnostics) {
    Problem problem{
        .severity = diagnostic.warning ? Problem::Severity::kWarning : Problem::Severity::kError,
        .id = diagnostic.id,
        .message = diagnostic.message,
        .helps = diagnostic.helps};
    if (!diagnostic.where.file.empty() || diagnostic.where.first_line > 0)
      problem.place = base::Place{diagnostic.where, source, "", ""};
    problems.push_back(std::move(problem));
  }
  return problems;
}

std::vector<Problem> problems_of(const base::Error& error) {
  const auto* recipe = dynamic_cast<const dockerfile::RecipeError*>(&error);
  std::vector<Problem> problems = recipe != nullptr
                                      ? recipe_problems(recipe->diagnostics(), nullptr)
                                      : std::vector<Problem>{to_problem(error)};
  add_sources(problems);
  return problems;
}

}  // namespace cli
