#include "builder/dockerfile/parser.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/text.h"
#include "builder/dockerfile/arguments.h"
#include "builder/dockerfile/characters.h"

namespace dockerfile {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_comment(std::string_view line) {
  line = trim_space_left(line);
  return !line.empty() && line[0] == '#';
}

// A parser directive (L5): "# name = value" with a known name.
struct Directive {
  std::string name;
  std::string_view value;
};

bool read_directive(std::string_view line, Directive& out) {
  line = trim_space_left(line);
  if (line.empty() || line[0] != '#') return false;
  line = trim_space(line.substr(1));
  size_t name = 0;
  while (name < line.size() && line[name] != '_' &&
         ((static_cast<unsigned char>(line[name]) < 0x80 &&
           is_name_letter(static_cast<unsigned char>(line[name]))) ||
          (name > 0 && is_digit(static_cast<unsigned char>(line[name]))))) {
    ++name;
  }
  out.name = base::to_lower(line.substr(0, name));
  if (out.name != "escape" && out.name != "syntax" && out.name != "check") return false;
  std::string_view rest = base::trim(line.substr(name));
  if (rest.empty() || rest[0] != '=') return false;
  out.value = base::trim(rest.substr(1));
  return !out.value.empty();
}

// Removes the continuation character and what follows it; true when there was one (L6).
bool cut_continuation(std::string_view& line, char escape) {
  size_t last = line.find_last_not_of(" \t");
  if (last == std::string_view::npos || line[last] != escape) return false;
  if (last > 0 && line[last - 1] == escape) return false;
  line = line.substr(0, last);
  return true;
}

class Parser {
 public:
  Parser(std::string_view text, std::string file, std::vector<Diagnostic>& errors)
      : lines_(text), errors_(errors) {
    recipe_.file = std::move(file);
    recipe_.source = text;
  }

  Recipe run() {
    while (!lines_.at_end()) {
      if (recipe_.instructions.size() >= kMaxInstructions) {
        error("too-many-instructions",
              base::str("a recipe may have ", kMaxInstructions, " instructions"),
              {lines_.number(), 0, 0});
        break;
      }
      read_line();
    }
    if (recipe_.instructions.empty() && errors_.empty())
      error("no-instructions", "the recipe has no instructions", {});
    return std::move(recipe_);
  }

 private:
  void error(std::string id, std::string message, Span span, std::vector<std::string> helps = {}) {
    errors_.push_back({std::move(id),
                       std::move(message),
                       {recipe_.file, span.line, span.line, span.column, span.width},
                       std::move(helps),
                       false});
  }

  void read_line() {
    std::string_view raw = lines_.next();
    if (lines_.number() == 1 && raw.substr(0, 3) == kByteOrderMark) raw.remove_prefix(3);
    std::string_view line = without_line_end(raw);
    if (is_comment(line)) return read_comment(line);
    directives_over_ = true;
    std::string_view text = trim_space_left(line);
    if (text.empty()) {
      comments_.clear();
      return;
    }
    read_instruction(text, static_cast<int>(text.data() - line.data()) + 1);
  }

  void read_comment(std::string_view line) {
    if (lines_.number() == 1 && line.substr(0, 2) == "#!") return;
    Directive directive;
    if (!directives_over_ && read_directive(line, directive)) return apply(directive, line);
    directives_over_ = true;
    std::string_view comment = trim_space(trim_space_left(line).substr(1));
    if (comment.empty()) {
      comments_.clear();
    } else {
      comments_.emplace_back(comment);
    }
  }

  void apply(const Directive& directive, std::string_view line) {
    Span span{lines_.number(), static_cast<int>(directive.value.data() - line.data()) + 1,
              static_cast<int>(directive.value.size())};
    if (!seen_.insert(directive.name).second) {
      return error(
          "duplicate-directive",
          base::str("the parser directive \"", directive.name, "\" may be given once only"), span);
    }
    if (directive.name == "syntax") {
      recipe_.syntax = directive.value;
      recipe_.syntax_span = span;
    } else if (directive.name == "check") {
      recipe_.check = directive.value;
      recipe_.check_span = span;
    } else if (directive.value == "\\" || directive.value == "`") {
      recipe_.escape = directive.value[0];
    } else {
      error("invalid-escape",
            base::str("the escape character must be \\ or `, not \"",
                      base::printable(directive.value, 40), "\""),
            span);
    }
  }

  void read_instruction(std::string_view text, int column) {
    LogicalLine logical;
    bool open = cut_continuation(text, recipe_.escape);
    logical.append(text, lines_.number(), column);
    int empty_line = 0;
    while (open && !lines_.at_end()) {
      std::string_view line = without_line_end(lines_.next());
      if (is_comment(line)) continue;
      if (trim_space_left(line).empty()) {
        if (empty_line == 0) empty_line = lines_.number();
        continue;
      }
      open = cut_continuation(line, recipe_.escape);
      logical.append(line, lines_.number(), 1);
    }
    if (empty_line > 0) {
      recipe_.warnings.push_back({"NoEmptyContinuation",
                                  "empty line inside a continued instruction",
                                  {recipe_.file, empty_line, empty_line, 1, 0},
                                  {"remove the line, or put a # on it"},
                                  true});
    }
    ArgumentReader reader(logical, recipe_.escape, recipe_.file, errors_, recipe_.warnings);
    Instruction out = reader.read();
    if (out.where.first_line == 0) out.where.first_line = logical.first_line();
    out.doc_comments = std::move(comments_);
    comments_.clear();
    read_heredocs(out, logical);
    out.where.first_line = logical.first_line();
    out.where.last_line = lines_.number();
    out.additions = recipe_.has_additions();
    recipe_.instructions.push_back(std::move(out));
  }

  static bool takes_heredocs(const Instruction& i) {
    if (i.keyword == Keyword::kOnbuild) return i.trigger && takes_heredocs(*i.trigger);
    return !i.json && (i.keyword == Keyword::kAdd || i.keyword == Keyword::kCopy ||
                       i.keyword == Keyword::kRun);
  }

  void read_heredocs(Instruction& out, const LogicalLine& logical) {
    if (!takes_heredocs(out) || logical.text().find("<<") == std::string::npos) return;
    std::vector<Heredoc> starts;
    try {
      starts = heredoc_starts(logical.text());
    } catch (const base::Error& e) {
      out.broken = true;
      return error("invalid-heredoc", base::str("here-document name: ", e.message()),
                   {logical.first_line(), 0, 0});
    }
    for (Heredoc& heredoc : starts) {
      if (!read_body(heredoc)) {
        out.broken = true;
        error("unterminated-heredoc",
              base::str("the here-document \"", base::printable(heredoc.name, 80),
                        "\" is not closed"),
              {out.where.first_line, out.where.column, out.where.width},
              {base::str("a line that reads exactly ", base::printable(heredoc.name, 80),
                         " must follow its text")});
        return;
      }
      out.heredocs.push_back(std::move(heredoc));
    }
  }

  bool read_body(Heredoc& heredoc) {
    while (!lines_.at_end()) {
      std::string_view raw = lines_.next();
      std::string_view line = without_line_end(raw);
      if (heredoc.chomp) line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
      if (line == heredoc.name) return true;
      heredoc.content += raw;
    }
    return false;
  }

  LineReader lines_;
  std::vector<Diagnostic>& errors_;
  Recipe recipe_;
  bool directives_over_ = false;
  std::set<std::string> seen_;         // directives
  std::vector<std::string> comments_;  // directly above the next instruction
};

constexpr std::array<std::pair<std::string_view, Keyword>, 18> kKeywords = {{
    {"add", Keyword::kAdd},
    {"arg", Keyword::kArg},
    {"cmd", Keyword::kCmd},
    {"copy", Keyword::kCopy},
    {"entrypoint", Keyword::kEntrypoint},
    {"env", Keyword::kEnv},
    {"expose", Keyword::kExpose},
    {"from", Keyword::kFrom},
    {"healthcheck", Keyword::kHealthcheck},
    {"label", Keyword::kLabel},
    {"maintainer", Keyword::kMaintainer},
    {"onbuild", Keyword::kOnbuild},
    {"run", Keyword::kRun},
    {"shell", Keyword::kShell},
    {"stopsignal", Keyword::kStopsignal},
    {"user", Keyword::kUser},
    {"volume", Keyword::kVolume},
    {"workdir", Keyword::kWorkdir},
}};

}  // namespace

Keyword find_keyword(std::string_view name) {
  if (name.size() > 16) return Keyword::kUnknown;
  std::string lower = base::to_lower(name);
  for (const auto& [known, keyword] : kKeywords)
    if (lower == known) return keyword;
  return Keyword::kUnknown;
}

const std::vector<std::string>& keyword_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const auto& entry : kKeywords) out.push_back(base::to_upper(entry.first));
    return out;
  }();
  return names;
}

base::SourceRange Instruction::range(Span span) const {
  if (span.line == 0)
    return {where.file, where.first_line, where.first_line, where.column, where.width};
  return {where.file, span.line, span.line, span.column, span.width};
}

base::SourceRange Instruction::arg_range(size_t index) const {
  return range(index < arg_spans.size() ? arg_spans[index] : Span{});
}

bool Recipe::has_additions() const {
  return syntax.substr(0, syntax.find_first_of(" \t")) == "torte/1";
}

base::SourceRange Instruction::flag_range(size_t index) const {
  return range(index < flag_spans.size() ? flag_spans[index] : Span{});
}

std::string_view Recipe::source_line(int line) const {
  LineReader lines(source);
  while (!lines.at_end()) {
    std::string_view text = lines.next();
    if (lines.number() == line) return without_line_end(text);
  }
  return {};
}

Recipe parse_collecting(std::string_view text, std::string file, std::vector<Diagnostic>& errors) {
  if (text.size() > kMaxRecipeSize) {
    errors.push_back({"recipe-too-large",
                      base::str("the recipe is larger than ", base::format_size(kMaxRecipeSize)),
                      {file},
                      {},
                      false});
    Recipe empty;
    empty.file = std::move(file);
    return empty;
  }
  return Parser(text, std::move(file), errors).run();
}

Recipe parse(std::string_view text, std::string file) {
  std::vector<Diagnostic> errors;
  Recipe recipe = parse_collecting(text, std::move(file), errors);
  if (!errors.empty()) throw RecipeError(std::move(errors));
  return recipe;
}

Instruction parse_trigger(std::string_view text, const std::string& origin) {
  Recipe recipe = parse(text, origin);
  if (recipe.instructions.size() != 1) {
    throw RecipeError({{"invalid-trigger",
                        "an ONBUILD trigger must be exactly one instruction",
                        recipe.instructions[1].where,
                        {},
                        false}});
  }
  // It says nothing of the recipe that it comes from, which may have had them.
  recipe.instructions.front().additions = true;
  return std::move(recipe.instructions.front());
}

std::string trigger_text(const Instruction& onbuild) {
  std::string out = onbuild.trigger ? onbuild.trigger->text : "";
  for (const Heredoc& heredoc : onbuild.heredocs)
    out += base::str("\n", heredoc.content, heredoc.name);
  return out;
}

}  // namespace dockerfile
