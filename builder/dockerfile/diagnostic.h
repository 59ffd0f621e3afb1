#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/events.h"

namespace dockerfile {

/// One thing to say about a place in a recipe (spec/ux.md section 4).
struct Diagnostic {
  std::string id;       ///< stable: "unknown-instruction", or a check's name
  std::string message;  ///< one line, already safe to print
  base::SourceRange where;
  std::vector<std::string> helps;  ///< at most three lines of advice
  bool warning = false;            ///< a check; the build goes on
  bool of_value = false;           ///< the grammar is right: only a stage that is built minds
};

/// A recipe that cannot be used. Carries every diagnostic found, in file order, never none; what()
/// is the first one as "file:line:column: message". The id is the first diagnostic's.
class RecipeError : public base::Error {
 public:
  explicit RecipeError(std::vector<Diagnostic> diagnostics);
  const std::vector<Diagnostic>& diagnostics() const noexcept { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

/// "Dockerfile:14:6"; parts that are unknown are left out.
std::string place(const base::SourceRange& where);

/// Sorts by line, then column; what was found first stays first.
void sort_by_place(std::vector<Diagnostic>& diagnostics);

}  // namespace dockerfile
