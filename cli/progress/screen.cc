#include "cli/progress/screen.h"

#include <algorithm>

#include "base/text.h"
#include "cli/progress/sanitize.h"

namespace cli {

std::string Screen::home(int width, int height) const {
  int lines = 0;
  // A terminal made narrower has wrapped our rows by now: count the lines they take there.
  for (const std::string& row : rows_)
    lines +=
        width >= width_ ? 1 : std::max(1, (styled_width(row) + width - 1) / std::max(width, 1));
  lines = std::min(lines, std::max(height - 1, 0));
  return lines > 0 ? base::str("\r\x1b[", lines, "A") : "\r";
}

void Screen::send(const std::string& text) const {
  if (synchronized_)
    write_("\x1b[?2026h" + text + "\x1b[?2026l");
  else
    write_(text);
}

void Screen::draw(const std::vector<std::string>& rows, int width, int height) {
  if (rows == rows_ && width == width_) return;
  std::string out = home(width, height);
  bool same_width = width == width_;
  if (!same_width && !rows_.empty()) out += "\x1b[J";
  for (size_t i = 0; i < rows.size(); ++i) {
    bool kept = same_width && i < rows_.size() && rows_[i] == rows[i];
    out += kept ? "\n" : rows[i] + "\x1b[K\n";
  }
  if (same_width && rows.size() < rows_.size()) out += "\x1b[J";
  rows_ = rows;
  width_ = width;
  send(out);
}

void Screen::replace(std::string_view text, int width, int height) {
  if (rows_.empty() && text.empty()) return;
  std::string out = rows_.empty() ? "" : home(width, height) + "\x1b[J";
  rows_.clear();
  send(out + std::string(text));
}

}  // namespace cli
