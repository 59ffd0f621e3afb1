// Whatever a program prints, what the views show is valid UTF-8 without control characters other
// than colours, the same however the bytes were split, and fits the columns it is cut to.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "cli/progress/sanitize.h"

namespace {

void check_line(std::string_view line) {
  for (size_t at = 0; at < line.size();) {
    if (line[at] == '\x1b') {
      CHECK(line.substr(at).starts_with("\x1b["));
      at = line.find_first_not_of("0123456789;:", at + 2);
      CHECK(at != std::string_view::npos && line[at] == 'm');
      ++at;
      continue;
    }
    char32_t code = 0;
    size_t n = base::decode_utf8(line.substr(at), code);
    CHECK(n > 0);
    CHECK(!base::is_terminal_unsafe(code));
    at += n;
  }
}

std::vector<std::string> clean(std::string_view text, size_t piece) {
  cli::LineSanitizer sanitizer({.keep_color = true, .expand_tabs = true});
  std::vector<std::string> lines;
  while (!text.empty()) {
    for (std::string& line : sanitizer.feed(text.substr(0, piece)))
      lines.push_back(std::move(line));
    check_line(sanitizer.pending());
    text.remove_prefix(std::min(piece, text.size()));
  }
  for (std::string& line : sanitizer.finish()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> lines = clean(text, SIZE_MAX);
  CHECK(lines == clean(text, 1));
  for (const std::string& line : lines) {
    check_line(line);
    std::string cut = cli::cut_styled(line, 20);
    check_line(cut);
    CHECK(cli::styled_width(cut) <= 20);
  }
  return 0;
}
