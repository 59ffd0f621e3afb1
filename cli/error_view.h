#pragma once

#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/source_range.h"

namespace cli {

struct Context;

/// One thing to tell the user, in the shape of spec/ux.md 4. Other rooms' diagnostics are converted
/// to this by cli.
struct Problem {
  enum class Severity { kError, kWarning };
  Severity severity = Severity::kError;
  std::string id;
  std::string message;
  std::optional<base::Place> place = {};
  std::vector<std::string> facts = {};  ///< a line break starts an indented continuation
  std::vector<std::string> helps = {};  ///< the first three are shown
};

struct ErrorStyle {
  int width = 80;  ///< excerpts are cut to this many columns
  bool color = false;
};

/// The problem of one error: its message with context, place, facts and helps.
Problem to_problem(const base::Error& error);
/// Text for people, ending with a line break. Everything from outside is made safe for a terminal.
std::string render_problem(const Problem& problem, const ErrorStyle& style);
/// Several in one go, a blank line between them.
std::string render_problems(const std::vector<Problem>& problems, const ErrorStyle& style);
/// One line of JSON (docs/progress-json.md, type "error" or "warning"), ending with a line break.
std::string problem_json(const Problem& problem);

/// Prints to the context's stderr in the form it asks for.
void print_problems(const Context& context, const std::vector<Problem>& problems);
void print_error(const Context& context, const base::Error& error);
/// An exception that is no base::Error is a fault of torte: says so, with version and what to do.
void print_internal_fault(const Context& context, const std::exception& fault);

}  // namespace cli
