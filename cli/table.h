#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

struct Context;

/// A listing for people (spec/ux.md 8): headings in capitals, two blanks between columns.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  /// As many cells as headings; made safe for terminals here.
  void add(std::vector<std::string> cells);
  size_t rows() const { return rows_.size(); }
  /// `width` in columns cuts the last column; 0 (a pipe) cuts nothing.
  std::string render(int width) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

/// What --format asked for.
///
///     ""  "table"         the table given
///     "json"              one JSON array
///     "json-lines"        one JSON object a line
///     "table TEMPLATE"    a table of the template's columns (separated by \t)
///     TEMPLATE            the template for each item, one line each
///
/// `items` is an array. Throws UsageError for a wrong template, Invalid for an unknown field.
std::string render_listing(const Table& table, const nlohmann::json& items, std::string_view format,
                           int width);
/// The same, printed to stdout with the width of the terminal there.
void print_listing(const Context& context, const Table& table, const nlohmann::json& items,
                   std::string_view format);

/// Output made safe for a terminal line by line, tabs kept; in a pipe it goes as it is, because
/// there it is data (spec/security.md 6).
std::string terminal_safe(std::string_view text);

/// For inspect: `items` as indented JSON for "" and "json", else the template for each.
std::string render_documents(const nlohmann::json& items, std::string_view format);
void print_documents(const Context& context, const nlohmann::json& items, std::string_view format);

}  // namespace cli
