#pragma once

#include <iosfwd>
#include <string>

#include "builder/dockerfile/parser.h"

namespace cli {

/// `torte debug parse FILE`: prints the recipe's instructions as one JSON object. Throws when the
/// file cannot be read or its text has a lexical error; other mistakes only make "valid" false.
int debug_parse(const std::string& file, std::ostream& out);

/// The same for a recipe that was read: also `build --call ast`.
void print_recipe(const dockerfile::Recipe& recipe, std::ostream& out);

/// `torte debug expand` and `torte debug ignore`: one JSON question a line on `in`, one JSON answer
/// a line on `out`, in order: {"ok": true, ...} or {"ok": false, "error": "..."}. The formats are
/// those of the conformance cases.
int debug_expand(std::istream& in, std::ostream& out);
int debug_ignore(std::istream& in, std::ostream& out);

}  // namespace cli
