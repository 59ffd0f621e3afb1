#include <algorithm>

#include "base/text.h"
#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/mount.h"

namespace dockerfile {

namespace {

// Adds the names of "A,B" to `names`; "all" sets `all` instead.
void read_names(std::string_view value, std::set<std::string>& names, bool& all) {
  for (const std::string& part : base::split(value, ',')) {
    std::string name = base::to_lower(base::trim(part));
    if (name == "all") {
      all = true;
    } else if (!name.empty()) {
      names.insert(name);
    }
  }
}

}  // namespace

CheckConfig CheckConfig::parse(std::string_view text) {
  CheckConfig out;
  for (const std::string& option : base::split(text, ';')) {
    if (base::trim(option).empty()) continue;
    size_t equals = option.find('=');
    std::string key = base::to_lower(base::trim(option.substr(0, equals)));
    std::string_view value = equals == std::string::npos
                                 ? std::string_view()
                                 : base::trim(std::string_view(option).substr(equals + 1));
    bool bad = equals == std::string::npos;
    if (key == "skip") {
      read_names(value, out.skip, out.skip_all);
    } else if (key == "experimental") {
      read_names(value, out.experimental, out.experimental_all);
    } else if (key == "error") {
      std::optional<bool> flag = parse_bool(value);
      bad = bad || !flag;
      out.error = flag.value_or(false);
    } else {
      bad = true;
    }
    if (bad) {
      throw base::Error(base::Code::kInvalid,
                        base::str("check option \"", base::printable(option, 80),
                                  "\" is none of skip=NAMES, error=true, experimental=NAMES"),
                        "invalid-check");
    }
  }
  return out;
}

bool CheckConfig::wants(std::string_view id) const {
  std::string lower = base::to_lower(id);
  if (lower == "invaliddefinitiondescription" && !experimental_all &&
      experimental.count(lower) == 0) {
    return false;
  }
  return !skip_all && skip.count(lower) == 0;
}

bool CheckConfig::wants(std::string_view id, const Instruction& instruction) const {
  if (!wants(id)) return false;
  for (const std::string& comment : instruction.doc_comments) {
    std::string_view text = base::trim(comment);
    if (base::to_lower(text.substr(0, 5)) != "check") continue;
    text = base::trim(text.substr(5));
    if (text.empty() || text[0] != '=') continue;
    try {
      if (!CheckConfig::parse(text.substr(1)).wants(id)) return false;
    } catch (const base::Error&) {
      // A comment that only looks like a directive is a comment.
    }
  }
  return true;
}

CheckConfig check_config(const Recipe& recipe, std::string_view argument) {
  if (!argument.empty()) return CheckConfig::parse(argument);
  try {
    return CheckConfig::parse(recipe.check);
  } catch (const base::Error& e) {
    const Span& span = recipe.check_span;
    throw RecipeError({{e.id(),
                        e.message(),
                        {recipe.file, span.line, span.line, span.column, span.width},
                        {},
                        false}});
  }
}

}  // namespace dockerfile
