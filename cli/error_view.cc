#include "cli/error_view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/context.h"
#include "cli/display_width.h"
#include "cli/recipe_problems.h"

namespace cli {

using base::str;

namespace {

constexpr size_t kMessageBytes = 8000;
constexpr size_t kMaxHelps = 3;
constexpr int kMaxExcerptLines = 6;
constexpr int kTabColumns = 8;
constexpr int kPlainWidth = 200;  // excerpt width where no terminal sets one
constexpr int kLeastExcerpt = 20;

const char* severity_name(const Problem& problem) {
  return problem.severity == Problem::Severity::kWarning ? "warning" : "error";
}

// Colours of one rendering; empty strings without colour.
struct Palette {
  explicit Palette(const ErrorStyle& style, Problem::Severity severity) {
    if (!style.color) return;
    strong = "\x1b[1m";
    alarm = severity == Problem::Severity::kWarning ? "\x1b[1;33m" : "\x1b[1;31m";
    frame = "\x1b[34m";
    off = "\x1b[0m";
  }
  std::string_view strong, alarm, frame, off;
};

// One source line as it is shown: safe bytes cell by cell, and where the mark falls, in columns.
struct ShownLine {
  std::vector<std::pair<std::string, int>> cells;  // text, columns
  int width = 0;
  int mark_start = 0;
  int mark_end = 0;
};

ShownLine lay_out(std::string_view line, int column, int mark_bytes) {
  ShownLine shown;
  size_t start = std::min<size_t>(column > 0 ? static_cast<size_t>(column - 1) : 0, line.size());
  size_t end =
      mark_bytes > 0 ? std::min(start + static_cast<size_t>(mark_bytes), line.size()) : line.size();
  for (size_t at = 0; at < line.size();) {
    if (at <= start) shown.mark_start = shown.width;
    char32_t code = 0;
    size_t n = std::max<size_t>(base::decode_utf8(line.substr(at), code), 1);
    std::string cell = base::printable(line.substr(at, n));
    int width = display_width(cell);
    if (line[at] == '\t') {
      width = kTabColumns - shown.width % kTabColumns;
      cell = std::string(static_cast<size_t>(width), ' ');
    }
    shown.cells.emplace_back(std::move(cell), width);
    shown.width += width;
    if (at < end) shown.mark_end = shown.width;
    at += n;
  }
  if (start >= line.size()) shown.mark_start = shown.width;
  shown.mark_end = std::max(shown.mark_end, shown.mark_start + 1);
  return shown;
}

// The part of a line that fits, chosen so that the start of the mark is seen, and the mark in it.
struct Window {
  std::string text;
  int mark_start = 0;
  int mark_end = 0;
};

Window cut(const ShownLine& line, int room) {
  int first = 0;
  if (line.width > room && line.mark_end > room - 3)
    first = std::max(0, std::min(line.mark_start - room / 3, line.width - room + 3));
  Window window;
  int at = 0;
  int used = first > 0 ? 3 : 0;
  if (first > 0) window.text = "...";
  const int limit = line.width - first + used > room ? room - 3 : room;
  bool clipped = false;
  for (const auto& [cell, width] : line.cells) {
    bool before = at < first;
    at += width;
    if (before) continue;
    clipped = used + width > limit;
    if (clipped) break;
    window.text += cell;
    used += width;
  }
  if (clipped) window.text += "...";
  int shift = first > 0 ? 3 - first : 0;
  window.mark_start = std::max(line.mark_start + shift, 0);
  window.mark_end = std::min(line.mark_end + shift, std::max(used, window.mark_start + 1));
  window.text.erase(window.text.find_last_not_of(' ') + 1);
  return window;
}

std::string gutter(const Palette& palette, int width, const std::string& number, bool bar = true) {
  std::string padding(
      static_cast<size_t>(std::max<int>(width - static_cast<int>(number.size()), 0)), ' ');
  return str(padding, palette.frame, number, bar ? " |" : "", palette.off);
}

std::string render_excerpt(const base::Place& place, const Palette& palette, int gutter_width,
                           int width) {
  const base::SourceRange& where = place.where;
  std::vector<std::string> lines = base::split(*place.source_text, '\n');
  if (where.first_line < 1 || static_cast<size_t>(where.first_line) > lines.size()) return {};
  int last = std::clamp(where.last_line, where.first_line, where.first_line + kMaxExcerptLines - 1);
  last = std::min(last, static_cast<int>(lines.size()));
  int room = std::max(width - gutter_width - 3, kLeastExcerpt);
  std::string out = gutter(palette, gutter_width, "") + "\n";
  for (int number = where.first_line; number <= last; ++number) {
    bool marked = number == where.first_line && where.column > 0;
    std::string_view line = base::trim(lines[static_cast<size_t>(number - 1)], "\r");
    Window window = cut(lay_out(line, marked ? where.column : 1, marked ? where.width : 1), room);
    out += gutter(palette, gutter_width, str(number)) + (window.text.empty() ? "" : " ") +
           window.text + "\n";
    if (!marked) continue;
    out += gutter(palette, gutter_width, "") + " " +
           std::string(static_cast<size_t>(window.mark_start), ' ');
    out += str(palette.alarm,
               std::string(static_cast<size_t>(window.mark_end - window.mark_start), '^'));
    if (!place.label.empty()) out += " " + base::printable(place.label, kMessageBytes);
    out += str(palette.off, "\n");
  }
  if (last < where.last_line) out += gutter(palette, gutter_width, "...", false) + "\n";
  return out;
}

std::string render_place(const base::Place& place, const Palette& palette, int gutter_width,
                         int width) {
  const base::SourceRange& where = place.where;
  std::string out = std::string(static_cast<size_t>(gutter_width), ' ');
  out += str(palette.frame, "-->", palette.off, " ", base::printable(where.file));
  if (where.first_line > 0) out += str(":", where.first_line);
  if (where.first_line > 0 && where.column > 0) out += str(":", where.column);
  if (!place.detail.empty()) out += ", " + base::printable(place.detail, kMessageBytes);
  out += "\n";
  if (place.source_text != nullptr) out += render_excerpt(place, palette, gutter_width, width);
  return out;
}

// Text whose own line breaks become indented lines.
std::string lines_of(std::string_view text, std::string_view indent) {
  std::string out;
  for (const std::string& line : base::split(base::trim(text, "\n"), '\n')) {
    if (!out.empty()) out += str("\n", indent);
    out += base::printable(line, kMessageBytes);
  }
  return out;
}

nlohmann::ordered_json where_json(const base::Place& place) {
  nlohmann::ordered_json out = {{"file", place.where.file}, {"line", place.where.first_line}};
  out["lastLine"] = place.where.last_line;
  out["column"] = place.where.column;
  out["width"] = place.where.width;
  if (!place.label.empty()) out["label"] = place.label;
  if (!place.detail.empty()) out["detail"] = place.detail;
  return out;
}

}  // namespace

Problem to_problem(const base::Error& error) {
  return {.id = error.id(),
          .message = error.what(),
          .place = error.place(),
          .facts = error.facts(),
          .helps = error.helps()};
}

std::string render_problem(const Problem& problem, const ErrorStyle& style) {
  Palette palette(style, problem.severity);
  int last_line =
      problem.place ? std::max(problem.place->where.last_line, problem.place->where.first_line) : 0;
  int gutter_width = std::max(2, static_cast<int>(str(last_line).size()));
  std::string out = str(palette.alarm, severity_name(problem), ":", palette.off, " ",
                        palette.strong, lines_of(problem.message, "  "), palette.off);
  if (!problem.id.empty()) out += str("  [", base::printable(problem.id), "]");
  out += "\n";
  if (problem.place) out += render_place(*problem.place, palette, gutter_width, style.width);
  std::string margin = std::string(static_cast<size_t>(gutter_width), ' ');
  for (const std::string& fact : problem.facts)
    out += str(margin, " ", palette.frame, "=", palette.off, " ", lines_of(fact, margin + "   "),
               "\n");
  for (size_t i = 0; i < std::min(problem.helps.size(), kMaxHelps); ++i)
    out += str(margin, " ", palette.frame, "=", palette.off,
               " help: ", lines_of(problem.helps[i], margin + "         "), "\n");
  return out;
}

std::string render_problems(const std::vector<Problem>& problems, const ErrorStyle& style) {
  std::string out;
  for (const Problem& problem : problems) {
    if (!out.empty()) out += "\n";
    out += render_problem(problem, style);
  }
  return out;
}

std::string problem_json(const Problem& problem) {
  nlohmann::ordered_json out = {
      {"v", 1}, {"type", severity_name(problem)}, {"id", problem.id}, {"message", problem.message}};
  if (problem.place) out["where"] = where_json(*problem.place);
  out["facts"] = problem.facts;
  out["helps"] = problem.helps;
  // ensure_ascii: JSON output always escapes (spec/security.md 6); invalid UTF-8 is replaced.
  return out.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void print_problems(const Context& context, const std::vector<Problem>& problems) {
  if (context.json_errors) {
    for (const Problem& problem : problems) context.err(problem_json(problem));
    return;
  }
  Terminal terminal = context.err_terminal();
  int width = terminal.is_terminal ? terminal.width : kPlainWidth;
  context.err(render_problems(problems, {.width = width, .color = terminal.color}));
}

void print_error(const Context& context, const base::Error& error) {
  print_problems(context, problems_of(error));
}

void print_internal_fault(const Context& context, const std::exception& fault) {
  Problem problem{.id = "internal", .message = "torte " TORTE_VERSION " met a fault of its own"};
  if (context.log_level == LogLevel::kDebug)
    problem.facts.emplace_back(fault.what());
  else
    problem.helps.emplace_back("run again with --log-level debug and report what it says");
  print_problems(context, {problem});
}

}  // namespace cli
