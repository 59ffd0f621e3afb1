#include "builder/dockerfile/lines.h"

#include <algorithm>

namespace dockerfile {

std::string_view LineReader::next() {
  size_t end = rest_.find('\n');
  std::string_view line = rest_.substr(0, end == std::string_view::npos ? rest_.size() : end + 1);
  rest_.remove_prefix(line.size());
  ++number_;
  return line;
}

std::string_view without_line_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

void LogicalLine::append(std::string_view piece, int line, int column) {
  pieces_.push_back({text_.size(), line, column});
  text_ += piece;
}

Span LogicalLine::span(size_t begin, size_t size) const {
  auto next = std::upper_bound(pieces_.begin(), pieces_.end(), begin,
                               [](size_t at, const Piece& piece) { return at < piece.offset; });
  if (next == pieces_.begin()) return {};
  const Piece& piece = *(next - 1);
  size_t end = std::min(begin + size, next == pieces_.end() ? text_.size() : next->offset);
  return {piece.line, piece.column + static_cast<int>(begin - piece.offset),
          static_cast<int>(end > begin ? end - begin : 0)};
}

}  // namespace dockerfile
