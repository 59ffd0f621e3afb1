#include "cli/text_diff.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/text.h"

namespace cli {

namespace {

using Lines = std::vector<std::string_view>;

/// With their line ends, so that a last line without one differs from one that has it.
Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t size = end == std::string_view::npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

/// One line of the result: from the old text, from the new one, or from both.
struct Edit {
  char kind;  // ' ', '-', '+'
  std::string_view line;
};

/// The shortest way from one text to the other, found by how far one comes with d edits on each
/// diagonal, for growing d. [E. Myers, "An O(ND) difference algorithm and its variations", 1986]
class ShortestEdit {
 public:
  ShortestEdit(const Lines& before, const Lines& after) : before_(before), after_(after) {}

  std::vector<Edit> run() {
    const int size = static_cast<int>(before_.size() + after_.size());
    std::vector<int> reach(2 * static_cast<size_t>(size) + 3, 0);
    for (int d = 0; d <= std::min(size, kMostEdits); ++d) {
      trace_.emplace_back(reach.begin() + size - d, reach.begin() + size + d + 3);
      if (advance(reach, size + 1, d)) return walk_back(d);
    }
    std::vector<Edit> edits;
    for (std::string_view line : before_) edits.push_back({'-', line});
    for (std::string_view line : after_) edits.push_back({'+', line});
    return edits;
  }

 private:
  static constexpr int kMostEdits = 2000;  // the memory and time it costs grow with the square

  int rows() const { return static_cast<int>(before_.size()); }
  int columns() const { return static_cast<int>(after_.size()); }
  static bool comes_from_above(int left, int right, int k, int d) {
    return k == -d || (k != d && left < right);
  }

  bool advance(std::vector<int>& reach, int middle, int d) const {
    for (int k = -d; k <= d; k += 2) {
      const int left = reach[static_cast<size_t>(middle + k - 1)],
                right = reach[static_cast<size_t>(middle + k + 1)];
      int x = comes_from_above(left, right, k, d) ? right : left + 1;
      while (x < rows() && x - k < columns() &&
             before_[static_cast<size_t>(x)] == after_[static_cast<size_t>(x - k)])
        ++x;
      reach[static_cast<size_t>(middle + k)] = x;
      if (x >= rows() && x - k >= columns()) return true;
    }
    return false;
  }

  std::vector<Edit> walk_back(int edits_needed) const {
    std::vector<Edit> edits;
    int x = rows(), y = columns();
    for (int d = edits_needed; d > 0; --d) {
      // trace_[d] holds the diagonals -d-1 to d+1 as they were before step d.
      const std::vector<int>& reach = trace_[static_cast<size_t>(d)];
      const auto at = [&](int k) { return reach[static_cast<size_t>(k + d + 1)]; };
      const int k = x - y;
      const bool above = comes_from_above(at(k - 1), at(k + 1), k, d);
      const int from_k = above ? k + 1 : k - 1;
      const int from_x = at(from_k), from_y = from_x - from_k;
      while (x > from_x + (above ? 0 : 1) && y > from_y + (above ? 1 : 0)) {
        edits.push_back({' ', before_[static_cast<size_t>(--x)]});
        --y;
      }
      if (above)
        edits.push_back({'+', after_[static_cast<size_t>(--y)]});
      else
        edits.push_back({'-', before_[static_cast<size_t>(--x)]});
    }
    while (x > 0) edits.push_back({' ', before_[static_cast<size_t>(--x)]});
    std::reverse(edits.begin(), edits.end());
    return edits;
  }

  const Lines& before_;
  const Lines& after_;
  std::vector<std::vector<int>> trace_;
};

/// "12,3"; of an empty range the line before it.
std::string range(size_t first, size_t count) {
  if (count == 0) return base::str(first, ",0");
  return count == 1 ? base::str(first + 1) : base::str(first + 1, ",", count);
}

std::string hunk(const std::vector<Edit>& edits, size_t begin, size_t end, size_t before_line,
                 size_t after_line) {
  size_t before_count = 0, after_count = 0;
  std::string body;
  for (size_t i = begin; i < end; ++i) {
    if (edits[i].kind != '+') ++before_count;
    if (edits[i].kind != '-') ++after_count;
    body += edits[i].kind;
    body += edits[i].line;
    if (!edits[i].line.ends_with('\n')) body += "\n\\ No newline at end of file\n";
  }
  return base::str("@@ -", range(before_line, before_count), " +", range(after_line, after_count),
                   " @@\n", body);
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after,
                         std::string_view before_name, std::string_view after_name) {
  constexpr size_t kContext = 3;
  const Lines old_lines = split_lines(before), new_lines = split_lines(after);
  const std::vector<Edit> edits = ShortestEdit(old_lines, new_lines).run();
  std::string hunks;
  size_t before_line = 0, after_line = 0, counted = 0;
  for (size_t i = 0; i < edits.size();) {
    if (edits[i].kind == ' ') {
      ++i;
      continue;
    }
    const size_t begin = std::max(counted, i - std::min(i, kContext));
    size_t last = i;  // the last change that belongs to this hunk
    for (size_t j = i; j < edits.size() && j <= last + 2 * kContext + 1; ++j)
      if (edits[j].kind != ' ') last = j;
    const size_t end = std::min(edits.size(), last + kContext + 1);
    before_line += begin - counted;  // what lies between is in both
    after_line += begin - counted;
    counted = begin;
    hunks += hunk(edits, begin, end, before_line, after_line);
    for (; counted < end; ++counted) {
      before_line += edits[counted].kind != '+';
      after_line += edits[counted].kind != '-';
    }
    i = end;
  }
  return hunks.empty() ? "" : base::str("--- ", before_name, "\n+++ ", after_name, "\n", hunks);
}

bool is_text(std::string_view bytes) { return bytes.find('\0') == std::string_view::npos; }

}  // namespace cli
