#include "cli/error_texts.h"

#include <algorithm>

#include "base/text.h"
#include "cli/help.h"

namespace cli {

namespace {

constexpr std::string_view kPage =
#include "error_texts.inc"
    ;
constexpr std::string_view kHeading = "\n## ";
constexpr std::string_view kVerbatim = "    ";
constexpr size_t kIdColumn = 33;  // the longest id and two blanks
constexpr size_t kLeastRoom = 40;

// The blocks between blank lines.
std::vector<std::string> blocks_of(std::string_view body) {
  std::vector<std::string> blocks(1);
  for (const std::string& line : base::split(body, '\n')) {
    if (!line.empty())
      blocks.back() += line + "\n";
    else if (!blocks.back().empty())
      blocks.emplace_back();
  }
  if (blocks.back().empty()) blocks.pop_back();
  return blocks;
}

std::string joined_lines(std::string block) {
  std::replace(block.begin(), block.end(), '\n', ' ');
  return std::string(base::trim(block));
}

std::string first_sentence(std::string_view body) {
  std::vector<std::string> blocks = blocks_of(body);
  std::string text = blocks.empty() ? "" : joined_lines(blocks.front());
  return text.substr(0, text.find(". "));
}

}  // namespace

std::vector<ErrorText> error_texts() {
  std::vector<ErrorText> texts;
  size_t at = kPage.find(kHeading);
  while (at != std::string_view::npos) {
    size_t id = at + kHeading.size(), end = kPage.find('\n', id);
    at = kPage.find(kHeading, end);
    texts.push_back({kPage.substr(id, end - id), kPage.substr(end, at - end)});
  }
  return texts;
}

std::optional<ErrorText> find_error_text(std::string_view id) {
  for (const ErrorText& text : error_texts())
    if (text.id == id) return text;
  return std::nullopt;
}

std::string render_error_text(const ErrorText& text, int width) {
  std::string out = std::string(text.id) + "\n";
  for (const std::string& block : blocks_of(text.body)) {
    const size_t room = std::max(static_cast<size_t>(std::max(width, 0)), kLeastRoom);
    out +=
        "\n" + (block.starts_with(kVerbatim) ? block : wrap(joined_lines(block), room, 0) + "\n");
  }
  return out;
}

std::string render_error_list(int width) {
  std::string out;
  const size_t columns = static_cast<size_t>(std::max(width, 0));
  const size_t room = std::max(columns, kIdColumn + kLeastRoom) - kIdColumn;
  for (const ErrorText& text : error_texts()) {
    std::string id(text.id);
    id.resize(std::max(kIdColumn, id.size() + 2), ' ');
    std::string sentence = first_sentence(text.body);
    if (sentence.ends_with('.')) sentence.pop_back();
    out += id + wrap(sentence, room, kIdColumn) + "\n";
  }
  return out;
}

}  // namespace cli
