#include "builder/dockerfile/diagnostic.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"

namespace dockerfile {

namespace {

std::string summary(const std::vector<Diagnostic>& diagnostics) {
  CHECK(!diagnostics.empty());
  const Diagnostic& first = diagnostics.front();
  std::string where = place(first.where);
  return where.empty() ? first.message : where + ": " + first.message;
}

}  // namespace

RecipeError::RecipeError(std::vector<Diagnostic> diagnostics)
    : Error(base::Code::kInvalid, summary(diagnostics), diagnostics.front().id),
      diagnostics_(std::move(diagnostics)) {
  for (const std::string& help : diagnostics_.front().helps) add_help(help);
}

std::string place(const base::SourceRange& where) {
  std::string out = base::printable(where.file);
  if (where.first_line > 0) out += base::str(out.empty() ? "line " : ":", where.first_line);
  if (where.first_line > 0 && where.column > 0) out += base::str(":", where.column);
  return out;
}

void sort_by_place(std::vector<Diagnostic>& diagnostics) {
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return std::tie(a.where.first_line, a.where.column) <
                            std::tie(b.where.first_line, b.where.column);
                   });
}

}  // namespace dockerfile
