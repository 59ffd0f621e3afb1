// Recipes of any bytes: parsing, validating and checking never crash, and every word knows its
// place.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<dockerfile::Diagnostic> errors;
  dockerfile::Recipe recipe = dockerfile::parse_collecting(text, "fuzz", errors);
  for (const dockerfile::Instruction& instruction : recipe.instructions) {
    CHECK(instruction.args.size() == instruction.arg_spans.size());
    CHECK(instruction.flags.size() == instruction.flag_spans.size());
    CHECK(instruction.where.first_line >= 1);
    CHECK(instruction.where.last_line >= instruction.where.first_line);
    if (!instruction.trigger || instruction.broken) continue;
    // What an image would store must read back as the same instruction.
    try {
      dockerfile::parse_trigger(dockerfile::trigger_text(instruction), "fuzz");
    } catch (const dockerfile::RecipeError&) {
    }
  }
  dockerfile::validate(recipe);
  dockerfile::run_checks(recipe, {});
  try {
    dockerfile::check_config(recipe);
  } catch (const dockerfile::RecipeError&) {
  }
  return 0;
}
