#include "cli/progress/sanitize.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/text.h"
#include "cli/display_width.h"

namespace cli {

namespace {

constexpr size_t kLongestLine = 16 * 1024;  // bytes; longer ones are broken
constexpr size_t kLongestParameters = 64;   // longer colour sequences are dropped
constexpr int kTabColumns = 8;
constexpr std::string_view kReset = "\x1b[0m";

// Could `bytes` be the start of a longer valid sequence?
bool is_partial_utf8(std::string_view bytes) {
  auto first = static_cast<unsigned char>(bytes[0]);
  size_t length = first >= 0xf0 && first < 0xf5   ? 4
                  : first >= 0xe0 && first < 0xf0 ? 3
                  : first >= 0xc2 && first < 0xe0 ? 2
                                                  : 1;
  if (bytes.size() >= length) return false;
  return std::all_of(bytes.begin() + 1, bytes.end(),
                     [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; });
}

// Length of the SGR sequence at `at`, or 0.
size_t sgr_length(std::string_view line, size_t at) {
  if (line[at] != '\x1b') return 0;
  size_t end = line.find('m', at);
  return end == std::string_view::npos ? 0 : end + 1 - at;
}

}  // namespace

std::vector<std::string> LineSanitizer::feed(std::string_view bytes) {
  std::vector<std::string> lines;
  std::string joined;
  if (!partial_.empty()) {
    joined = partial_ + std::string(bytes);
    partial_.clear();
    bytes = joined;
  }
  for (size_t at = 0; at < bytes.size();) {
    if (bytes[at] == '\n') {
      end_line(lines);
      ++at;
    } else if (state_ != State::kText) {
      sequence(static_cast<unsigned char>(bytes[at++]));
    } else {
      text(bytes, at);
    }
    if (line_.size() < kLongestLine) continue;
    end_line(lines);
    broken_ = true;
  }
  return lines;
}

void LineSanitizer::text(std::string_view bytes, size_t& at) {
  auto byte = static_cast<unsigned char>(bytes[at]);
  if (byte < 0x20 || byte == 0x7f) {
    control(byte);
    ++at;
    return;
  }
  char32_t code = 0;
  size_t n = base::decode_utf8(bytes.substr(at), code);
  if (n == 0 && is_partial_utf8(bytes.substr(at))) {
    partial_ = bytes.substr(at);
    at = bytes.size();
    return;
  }
  if (n == 0 || base::is_terminal_unsafe(code))
    put_escaped(bytes.substr(at, std::max<size_t>(n, 1)));
  else
    put(bytes.substr(at, n), char_width(code));
  at += std::max<size_t>(n, 1);
}

void LineSanitizer::control(unsigned char byte) {
  switch (byte) {
    case 0x1b:
      state_ = State::kEscape;
      break;
    case '\r':
      returned_ = true;
      break;
    case '\b':
      line_.resize(line_.size() - last_cell_);
      column_ -= last_cell_ > 0 ? 1 : 0;
      last_cell_ = 0;
      break;
    case '\t': {
      int width = kTabColumns - column_ % kTabColumns;
      put(options_.expand_tabs ? std::string(static_cast<size_t>(width), ' ') : "\t", width);
      break;
    }
    case 0x07:  // a bell is no text
      break;
    default: {
      char c = static_cast<char>(byte);
      put_escaped(std::string_view(&c, 1));
    }
  }
}

// ECMA-48: ESC [ parameters final; ESC ] and friends open a string ended by BEL or ESC backslash;
// any other ESC takes intermediates and one final byte.
void LineSanitizer::sequence(unsigned char byte) {
  switch (state_) {
    case State::kEscape:
      if (byte == '[') {
        state_ = State::kCsi;
        parameters_.clear();
      } else if (byte == ']' || byte == 'P' || byte == 'X' || byte == '^' || byte == '_') {
        state_ = State::kString;
      } else if (byte < 0x20 || byte > 0x2f) {
        state_ = State::kText;
      }
      break;
    case State::kCsi:
      if (byte >= 0x40 && byte <= 0x7e) {
        state_ = State::kText;
        bool plain = parameters_.find_first_not_of("0123456789;:") == std::string::npos;
        if (byte != 'm' || !options_.keep_color || !plain ||
            parameters_.size() > kLongestParameters)
          break;
        restart_if_returned();
        line_ += "\x1b[" + parameters_ + "m";
        styled_ = true;
        last_cell_ = 0;
      } else if (byte == 0x1b) {
        state_ = State::kEscape;
      } else if (parameters_.size() <= kLongestParameters) {
        parameters_ += static_cast<char>(byte);
      }
      break;
    case State::kString:
      if (byte == 0x07 || byte == 0x18 || byte == 0x1a)
        state_ = State::kText;
      else if (byte == 0x1b)
        state_ = State::kStringEscape;
      break;
    case State::kStringEscape:
      state_ = byte == '\\' ? State::kText : State::kEscape;
      if (state_ == State::kEscape) sequence(byte);
      break;
    case State::kText:
      break;
  }
}

void LineSanitizer::restart_if_returned() {
  if (!returned_) return;
  line_.clear();
  column_ = 0;
  last_cell_ = 0;
  returned_ = styled_ = false;
}

void LineSanitizer::put(std::string_view cell, int width) {
  restart_if_returned();
  line_ += cell;
  last_cell_ = cell.size();
  column_ += width;
}

void LineSanitizer::put_escaped(std::string_view bytes) {
  for (char c : bytes) {
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
    put(hex, 4);
  }
}

void LineSanitizer::end_line(std::vector<std::string>& lines) {
  if (!partial_.empty()) put_escaped(std::exchange(partial_, {}));
  bool nothing_new = broken_ && line_.empty();
  if (!nothing_new) lines.push_back(pending());
  line_.clear();
  column_ = 0;
  last_cell_ = 0;
  state_ = State::kText;
  returned_ = styled_ = broken_ = false;
}

std::vector<std::string> LineSanitizer::finish() {
  std::vector<std::string> lines;
  if (!line_.empty() || !partial_.empty()) end_line(lines);
  state_ = State::kText;
  returned_ = broken_ = false;
  return lines;
}

std::string LineSanitizer::pending() const { return styled_ ? line_ + std::string(kReset) : line_; }

std::string cut_styled(std::string_view line, int columns) {
  std::string out;
  bool styled = false;
  for (size_t at = 0; at < line.size();) {
    if (size_t n = sgr_length(line, at); n > 0) {
      out += line.substr(at, n);
      at += n;
      styled = true;
      continue;
    }
    char32_t code = 0;
    size_t n = base::decode_utf8(line.substr(at), code);
    columns -= n == 0 ? 1 : char_width(code);
    if (columns < 0) break;
    out += line.substr(at, std::max<size_t>(n, 1));
    at += std::max<size_t>(n, 1);
  }
  if (styled && !out.ends_with(kReset)) out += kReset;
  return out;
}

int styled_width(std::string_view line) {
  int width = 0;
  for (size_t at = 0; at < line.size();) {
    size_t escape = line.find('\x1b', at);
    width +=
        display_width(line.substr(at, escape == std::string_view::npos ? escape : escape - at));
    if (escape == std::string_view::npos) break;
    at = escape + std::max<size_t>(sgr_length(line, escape), 1);
  }
  return width;
}

}  // namespace cli
