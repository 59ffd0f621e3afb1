#include "builder/dockerfile/validate.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "builder/dockerfile/commands.h"

namespace dockerfile {

namespace {

constexpr size_t kMaxStages = 1000;

void check_order(const Recipe& recipe, std::vector<Diagnostic>& out) {
  size_t stages = 0;
  bool reported = false;
  for (const Instruction& instruction : recipe.instructions) {
    if (instruction.keyword == Keyword::kFrom && ++stages == kMaxStages + 1) {
      out.push_back({"too-many-stages",
                     base::str("a recipe may have ", kMaxStages, " stages"),
                     instruction.where,
                     {},
                     false});
    }
    bool early = stages == 0 && instruction.keyword != Keyword::kArg &&
                 instruction.keyword != Keyword::kUnknown;
    if (early && !reported) {
      reported = true;  // one is enough: the cause is one missing FROM
      out.push_back({"before-from",
                     base::str(base::to_upper(instruction.name),
                               " before the first FROM; only ARG may stand there"),
                     instruction.where,
                     {"start with a line such as FROM debian:12"},
                     false});
    }
  }
  if (stages == 0 && out.empty() && !recipe.instructions.empty()) {
    out.push_back({"no-from",
                   "the recipe has no FROM",
                   recipe.instructions.back().where,
                   {"add a line such as FROM debian:12"},
                   false});
  }
}

}  // namespace

std::vector<Diagnostic> validate(const Recipe& recipe) {
  std::vector<Diagnostic> out;
  for (const Instruction& instruction : recipe.instructions) {
    if (instruction.broken) continue;
    try {
      interpret(instruction);
    } catch (const RecipeError& e) {
      std::copy_if(e.diagnostics().begin(), e.diagnostics().end(), std::back_inserter(out),
                   [](const Diagnostic& problem) { return !problem.of_value; });
    }
  }
  check_order(recipe, out);
  sort_by_place(out);
  return out;
}

Recipe parse_and_validate(std::string_view text, std::string file) {
  std::vector<Diagnostic> errors;
  Recipe recipe = parse_collecting(text, std::move(file), errors);
  std::vector<Diagnostic> more = validate(recipe);
  errors.insert(errors.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
  sort_by_place(errors);
  if (!errors.empty()) throw RecipeError(std::move(errors));
  return recipe;
}

}  // namespace dockerfile
