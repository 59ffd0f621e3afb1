#include "cli/table.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/context.h"
#include "cli/display_width.h"
#include "cli/template.h"

namespace cli {

using Json = nlohmann::json;

namespace {

constexpr size_t kCellBytes = 4000;
constexpr std::string_view kGap = "  ";
constexpr int kLeastLastColumn = 8;

std::string dump(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string each(const Json& items, std::string_view format) {
  Template line(format);
  std::string out;
  for (const Json& item : items) out += line.render(item) + "\n";
  return out;
}

// Columns of the template are what stands between its tabs.
std::string table_of(const Json& items, std::string_view format, int width) {
  Template line(format);
  Table table(base::split(line.render_headings(), '\t'));
  for (const Json& item : items) table.add(base::split(line.render(item), '\t'));
  return table.render(width);
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  cells.resize(headings_.size());
  for (std::string& cell : cells) cell = base::printable(cell, kCellBytes);
  rows_.push_back(std::move(cells));
}

std::string Table::render(int width) const {
  std::vector<std::vector<std::string>> lines = rows_;
  lines.insert(lines.begin(), headings_);
  std::vector<int> columns(headings_.size(), 0);
  for (const std::vector<std::string>& line : lines)
    for (size_t i = 0; i + 1 < line.size(); ++i)
      columns[i] = std::max(columns[i], display_width(line[i]));
  std::string out;
  for (const std::vector<std::string>& line : lines) {
    std::string row;
    for (size_t i = 0; i + 1 < line.size(); ++i)
      row += pad_to_width(line[i], columns[i]) + std::string(kGap);
    std::string last = line.empty() ? "" : line.back();
    if (width > 0)
      last = cut_to_width(last, std::max(width - display_width(row), kLeastLastColumn));
    row += last;
    row.erase(row.find_last_not_of(' ') + 1);
    out += row + "\n";
  }
  return out;
}

std::string render_listing(const Table& table, const Json& items, std::string_view format,
                           int width) {
  if (format.empty() || format == "table") return table.render(width);
  if (format == "json") return dump(items) + "\n";
  if (format == "json-lines") {
    std::string out;
    for (const Json& item : items) out += dump(item) + "\n";
    return out;
  }
  if (format.starts_with("table ")) return table_of(items, format.substr(6), width);
  return each(items, format);
}

std::string terminal_safe(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t end = std::min(text.find_first_of("\t\n"), text.size());
    out += base::printable(text.substr(0, end), SIZE_MAX);
    if (end < text.size()) out += text[end++];
    text.remove_prefix(end);
  }
  return out;
}

void print_listing(const Context& context, const Table& table, const Json& items,
                   std::string_view format) {
  Terminal terminal = context.out_terminal();
  std::string text =
      render_listing(table, items, format, terminal.is_terminal ? terminal.width : 0);
  context.out(terminal.is_terminal ? terminal_safe(text) : text);
}

std::string render_documents(const Json& items, std::string_view format) {
  if (format.empty() || format == "json") return dump(items, 4) + "\n";
  return each(items, format);
}

void print_documents(const Context& context, const Json& items, std::string_view format) {
  std::string text = render_documents(items, format);
  context.out(context.out_terminal().is_terminal ? terminal_safe(text) : text);
}

}  // namespace cli
