#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dockerfile {

/// A marked piece of one physical line. Line and column count from 1, in bytes; 0 means unknown.
struct Span {
  int line = 0;
  int column = 0;
  int width = 0;  ///< bytes on that line; a word that goes on behind a continuation is cut
};

/// Physical lines of a file, numbered from 1 (L2).
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }
  /// The next line with its line end. Must not be called at the end.
  std::string_view next();
  /// Number of the line that next() returned last.
  int number() const { return number_; }

 private:
  std::string_view rest_;
  int number_ = 0;
};

/// Without `\r` and `\n` at the end.
std::string_view without_line_end(std::string_view line);

/// An instruction's text put together from continued lines (L6), which still knows where each byte
/// came from.
class LogicalLine {
 public:
  /// Adds `piece`, which begins at `column` of physical line `line`.
  void append(std::string_view piece, int line, int column);
  /// Drops everything from `size` bytes on.
  void truncate(size_t size) { text_.resize(size); }

  const std::string& text() const { return text_; }
  /// Where the bytes [begin, begin + size) of text() are in the file.
  Span span(size_t begin, size_t size) const;
  int first_line() const { return pieces_.empty() ? 0 : pieces_.front().line; }

 private:
  struct Piece {
    size_t offset;
    int line, column;
  };
  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace dockerfile
