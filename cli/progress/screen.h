#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/progress/view.h"

namespace cli {

/// A block of rows at the bottom of a terminal, redrawn in place. Nothing else may write to the
/// terminal meanwhile. No alternate screen and no hidden cursor: whatever kills the program leaves
/// a usable terminal. Every operation is one write.
class Screen {
 public:
  /// `synchronized`: the terminal knows mode 2026 (show a frame when it is complete).
  Screen(Write write, bool synchronized) : write_(std::move(write)), synchronized_(synchronized) {}

  /// Shows `rows`, each narrower than `width` columns; writes only rows that changed, and nothing
  /// when none did.
  void draw(const std::vector<std::string>& rows, int width, int height);
  /// Removes the rows and puts `text` (whole lines) in their place, for good.
  void replace(std::string_view text, int width, int height);
  /// Somebody else wrote: the old rows stay where they are and the next frame starts at the cursor.
  void forget() { rows_.clear(); }

 private:
  /// Moves the cursor from below the block to its first row.
  std::string home(int width, int height) const;
  void send(const std::string& text) const;

  Write write_;
  bool synchronized_;
  std::vector<std::string> rows_;
  int width_ = 0;
};

}  // namespace cli
