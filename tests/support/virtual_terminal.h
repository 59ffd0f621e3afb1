#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "cli/display_width.h"

namespace support {

/// Enough of a terminal to see what a program's output looks like: text with wrapping and wide
/// characters, line breaks, cursor up, erase to the end of line and screen, scrolling. Colours and
/// modes are ignored; anything else is counted in unknown().
class VirtualTerminal {
 public:
  VirtualTerminal(int width, int height) : width_(width), height_(height) { lines_.emplace_back(); }

  void write(std::string_view text) {
    for (size_t at = 0; at < text.size();) at += step(text.substr(at));
  }
  /// Everything, scroll-back included; blanks at line ends removed.
  std::string text() const {
    std::string out;
    for (const Line& line : lines_) {
      std::string row;
      for (const std::string& cell : line) row += cell;
      row.erase(row.find_last_not_of(' ') + 1);
      out += row + "\n";
    }
    return out;
  }
  /// A new size; longer lines wrap as terminals do. Call between frames (cursor in an empty line).
  void resize(int width, int height) {
    std::vector<Line> wrapped;
    for (const Line& line : lines_) {
      size_t length = line.size();
      while (length > 0 && line[length - 1] == " ") --length;
      for (size_t at = 0; at == 0 || at < length; at += static_cast<size_t>(width))
        wrapped.emplace_back(
            line.begin() + static_cast<long>(at),
            line.begin() + static_cast<long>(std::min(length, at + static_cast<size_t>(width))));
    }
    lines_ = std::move(wrapped);
    width_ = width;
    height_ = height;
    row_ = lines_.size() - 1;
    column_ = 0;
  }
  int unknown() const { return unknown_; }
  size_t rows() const { return lines_.size(); }

 private:
  using Line = std::vector<std::string>;  // one string a column; "" behind a wide character

  size_t step(std::string_view text) {
    if (text.starts_with("\x1b[")) return control(text);
    if (text[0] == '\n') {
      if (++row_ == lines_.size()) lines_.emplace_back();
      column_ = 0;
      return 1;
    }
    if (text[0] == '\r') {
      column_ = 0;
      return 1;
    }
    char32_t code = 0;
    size_t n = base::decode_utf8(text, code);
    if (n == 0 || base::is_terminal_unsafe(code)) {
      ++unknown_;
      return 1;
    }
    put(text.substr(0, n), cli::char_width(code));
    return n;
  }
  void put(std::string_view character, int width) {
    if (column_ + width > width_) step("\n");
    Line& line = lines_[row_];
    line.resize(std::max(line.size(), static_cast<size_t>(column_ + width)), " ");
    line[static_cast<size_t>(column_)] = character;
    if (width == 2) line[static_cast<size_t>(column_) + 1].clear();
    column_ += width;
  }
  size_t control(std::string_view text) {
    size_t end = text.find_first_not_of("0123456789;:?", 2);
    if (end == std::string_view::npos) return text.size();
    int number = static_cast<int>(base::parse_decimal(text.substr(2, end - 2)).value_or(1));
    switch (text[end]) {
      case 'A': {
        size_t top = lines_.size() > static_cast<size_t>(height_)
                         ? lines_.size() - static_cast<size_t>(height_)
                         : 0;
        row_ = std::max(row_ < static_cast<size_t>(number) ? 0 : row_ - static_cast<size_t>(number),
                        top);
        break;
      }
      case 'K':
        lines_[row_].resize(std::min(lines_[row_].size(), static_cast<size_t>(column_)));
        break;
      case 'J':
        lines_.resize(row_ + 1);
        lines_[row_].resize(std::min(lines_[row_].size(), static_cast<size_t>(column_)));
        break;
      case 'm':
      case 'h':
      case 'l':
        break;
      default:
        ++unknown_;
    }
    return end + 1;
  }

  int width_;
  int height_;
  std::vector<Line> lines_;
  size_t row_ = 0;
  int column_ = 0;
  int unknown_ = 0;
};

}  // namespace support
