// The functions of templates.
#include <algorithm>
#include <array>
#include <cstdio>

#include "base/error.h"
#include "base/text.h"
#include "cli/display_width.h"
#include "cli/template_syntax.h"

namespace cli::tmpl {

using base::str;
using Json = nlohmann::json;
using Values = std::vector<Json>;

namespace {

constexpr size_t kWidest = 1000;  // of pad and printf

[[noreturn]] void fail(std::string_view function, std::string_view what) {
  throw base::Error(base::Code::kInvalid, str("--format: ", function, ": ", what),
                    "format-template");
}

void need(std::string_view function, const Values& arguments, size_t least, size_t most) {
  if (arguments.size() < least || arguments.size() > most)
    fail(function, str("takes ", least, least == most ? "" : " or more", " arguments, not ",
                       arguments.size()));
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json index(const Values& arguments) {
  need("index", arguments, 1, SIZE_MAX);
  Json value = arguments[0];
  for (size_t i = 1; i < arguments.size(); ++i) {
    const Json& key = arguments[i];
    if (value.is_null()) return nullptr;
    if (value.is_object() && key.is_string()) {
      auto found = value.find(key.get<std::string>());
      Json member = found == value.end() ? Json(nullptr) : *found;
      value = std::move(member);
    } else if (value.is_array() && key.is_number_integer()) {
      auto at = key.get<int64_t>();
      if (at < 0 || static_cast<size_t>(at) >= value.size())
        fail("index", str("there is no element ", at, " among ", value.size()));
      Json element = value[static_cast<size_t>(at)];
      value = std::move(element);
    } else {
      fail("index", str(value.type_name(), " has no element ", base::printable(to_text(key))));
    }
  }
  return value;
}

Json length(const Values& arguments) {
  need("len", arguments, 1, 1);
  if (arguments[0].is_string()) return arguments[0].get_ref<const std::string&>().size();
  if (arguments[0].is_structured() || arguments[0].is_null()) return arguments[0].size();
  fail("len", str("a ", arguments[0].type_name(), " has no length"));
}

Json join(const Values& arguments) {
  need("join", arguments, 2, 2);
  // {{join .X ","}}, and {{.X | join ","}}, which puts the list last.
  bool last = arguments[1].is_array();
  const Json& list = arguments[last ? 1 : 0];
  if (!list.is_array() && !list.is_null())
    fail("join", str("needs a list, not a ", list.type_name()));
  std::vector<std::string> parts;
  for (const Json& element : list) parts.push_back(to_text(element));
  return base::join(parts, to_text(arguments[last ? 0 : 1]));
}

Json split(const Values& arguments) {
  need("split", arguments, 2, 2);
  std::string text = to_text(arguments[0]);
  std::string separator = to_text(arguments[1]);
  if (separator.empty()) fail("split", "needs a separator");
  Json parts = Json::array();
  for (size_t at = 0;;) {
    size_t found = text.find(separator, at);
    parts.push_back(text.substr(at, found == std::string::npos ? found : found - at));
    if (found == std::string::npos) return parts;
    at = found + separator.size();
  }
}

std::string title(std::string text) {
  bool start = true;
  for (char& c : text) {
    if (start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    start = c == ' ' || c == '\t' || c == '\n';
  }
  return text;
}

uint64_t count_of(std::string_view function, const Json& value) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<uint64_t>() > kWidest)
    fail(function, str("needs a number up to ", kWidest));
  return value.get<uint64_t>();
}

Json pad(const Values& arguments) {
  need("pad", arguments, 3, 3);
  return str(std::string(count_of("pad", arguments[1]), ' '), to_text(arguments[0]),
             std::string(count_of("pad", arguments[2]), ' '));
}

Json truncate(const Values& arguments) {
  need("truncate", arguments, 2, 2);
  return cut_to_width(to_text(arguments[0]), static_cast<int>(count_of("truncate", arguments[1])),
                      "");
}

// -1, 0, 1. Throws when the two cannot be put in order.
int compare(std::string_view function, const Json& a, const Json& b) {
  bool comparable = (a.is_number() && b.is_number()) || (a.is_string() && b.is_string());
  if (!comparable) fail(function, str("cannot compare ", a.type_name(), " with ", b.type_name()));
  return a < b ? -1 : b < a ? 1 : 0;
}

Json ordering(const std::string& name, const Values& arguments) {
  need(name, arguments, 2, 2);
  int order = compare(name, arguments[0], arguments[1]);
  return name == "lt"   ? order < 0
         : name == "le" ? order <= 0
         : name == "gt" ? order > 0
                        : order >= 0;
}

// One verb of printf with its flags: "%-10s".
std::string formatted(std::string_view flags, char verb, const Json& value) {
  std::string text = verb == 'q' ? dump(to_text(value)) : to_text(value);
  if (verb == 'd' && !value.is_number_integer()) fail("printf", "%d needs a whole number");
  if (verb == 'x' && value.is_number_integer()) {
    char hex[32];
    std::snprintf(hex, sizeof hex, "%llx", static_cast<unsigned long long>(value.get<int64_t>()));
    text = hex;
  }
  bool left = flags.starts_with('-');
  if (left) flags.remove_prefix(1);
  size_t dot = flags.find('.');
  if (dot != std::string_view::npos)
    text = cut_to_width(text,
                        static_cast<int>(std::min<uint64_t>(
                            base::parse_decimal(flags.substr(dot + 1)).value_or(0), kWidest)),
                        "");
  uint64_t width =
      std::min<uint64_t>(base::parse_decimal(flags.substr(0, dot)).value_or(0), kWidest);
  if (left) return pad_to_width(text, static_cast<int>(width));
  int missing = static_cast<int>(width) - display_width(text);
  return std::string(static_cast<size_t>(std::max(missing, 0)), ' ') + text;
}

Json format(const Values& arguments) {
  need("printf", arguments, 1, SIZE_MAX);
  std::string pattern = to_text(arguments[0]);
  std::string out;
  size_t used = 1;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '%') {
      out += pattern[at];
      continue;
    }
    size_t start = ++at;
    while (at < pattern.size() &&
           std::string_view("-.0123456789").find(pattern[at]) != std::string_view::npos)
      ++at;
    char verb = at < pattern.size() ? pattern[at] : '\0';
    if (verb == '%') {
      out += '%';
      continue;
    }
    if (verb == '\0' || std::string_view("sdvqtx").find(verb) == std::string_view::npos)
      fail("printf", "knows %s %d %v %q %t %x %%");
    if (used == arguments.size()) fail("printf", "has more verbs than values");
    out += formatted(std::string_view(pattern).substr(start, at - start), verb, arguments[used++]);
  }
  return out;
}

Json print_line(const Values& arguments, std::string_view end) {
  std::vector<std::string> parts;
  for (const Json& argument : arguments) parts.push_back(to_text(argument));
  return base::join(parts, " ") + std::string(end);
}

constexpr std::array kFunctions = {"json",   "index", "len",      "join", "split", "upper",
                                   "lower",  "title", "truncate", "pad",  "print", "println",
                                   "printf", "eq",    "ne",       "lt",   "le",    "gt",
                                   "ge",     "and",   "or",       "not"};

}  // namespace

bool is_function(std::string_view name) {
  return std::find(kFunctions.begin(), kFunctions.end(), name) != kFunctions.end();
}

bool is_true(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  return !value.empty();
}

std::string to_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return {};
  if (!value.is_structured()) return dump(value);
  std::vector<std::string> parts;
  if (value.is_array())
    for (const Json& element : value) parts.push_back(to_text(element));
  else
    for (const auto& [key, member] : value.items()) parts.push_back(str(key, ":", to_text(member)));
  return str(value.is_array() ? "[" : "map[", base::join(parts, " "), "]");
}

Json call(const std::string& name, const Values& arguments) {
  if (name == "index") return index(arguments);
  if (name == "len") return length(arguments);
  if (name == "join") return join(arguments);
  if (name == "split") return split(arguments);
  if (name == "pad") return pad(arguments);
  if (name == "truncate") return truncate(arguments);
  if (name == "printf") return format(arguments);
  if (name == "print") return print_line(arguments, "");
  if (name == "println") return print_line(arguments, "\n");
  if (name == "lt" || name == "le" || name == "gt" || name == "ge")
    return ordering(name, arguments);
  if (name == "eq" || name == "ne") {
    need(name, arguments, 2, name == "eq" ? SIZE_MAX : 2);
    bool equal = std::find(arguments.begin() + 1, arguments.end(), arguments[0]) != arguments.end();
    return equal == (name == "eq");
  }
  if (name == "and" || name == "or") {
    need(name, arguments, 1, SIZE_MAX);
    for (const Json& argument : arguments)
      if (is_true(argument) == (name == "or")) return argument;
    return arguments.back();
  }
  need(name, arguments, 1, 1);
  if (name == "not") return !is_true(arguments[0]);
  if (name == "json") return dump(arguments[0]);
  std::string text = to_text(arguments[0]);
  if (name == "upper") return base::to_upper(text);
  if (name == "lower") return base::to_lower(text);
  return title(text);
}

}  // namespace cli::tmpl
