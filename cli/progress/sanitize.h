#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// Turns what a program prints into lines that are safe to show (spec/ux.md 2, spec/security.md 6).
///
/// A carriage return starts the line over, a backspace takes a character back, colours (SGR) stay
/// or go as asked, every other control sequence disappears; stray control bytes, C1, bidi controls
/// and invalid UTF-8 become \xNN. Bytes may be split anywhere. A line break ends any unfinished
/// sequence, so that no program can hide what it prints later. Memory is bounded: an endless line
/// is broken.
class LineSanitizer {
 public:
  struct Options {
    bool keep_color = false;   ///< keeps SGR sequences; such a line ends with a reset
    bool expand_tabs = false;  ///< blanks up to the next multiple of 8
  };
  explicit LineSanitizer(Options options) : options_(options) {}

  /// The lines completed by `bytes`, without line breaks.
  std::vector<std::string> feed(std::string_view bytes);
  /// What is left of an unfinished last line; the sanitizer starts afresh.
  std::vector<std::string> finish();
  /// The unfinished line as it stands, for display.
  std::string pending() const;

 private:
  enum class State { kText, kEscape, kCsi, kString, kStringEscape };

  void text(std::string_view bytes, size_t& at);
  void sequence(unsigned char byte);
  void control(unsigned char byte);
  void put(std::string_view cell, int width);
  void put_escaped(std::string_view bytes);
  void restart_if_returned();
  void end_line(std::vector<std::string>& lines);

  Options options_;
  State state_ = State::kText;
  std::string partial_;     // start of a UTF-8 sequence split between two feeds
  std::string parameters_;  // of the CSI sequence being read
  std::string line_;
  size_t last_cell_ = 0;  // bytes a backspace may take back
  int column_ = 0;
  bool returned_ = false;  // a carriage return was seen and nothing after it yet
  bool styled_ = false;    // the line contains SGR
  bool broken_ = false;    // the line was broken for its length, so an empty rest is no line
};

/// A line that may contain SGR sequences (and no others) cut to `columns`; ends with a reset when
/// it has any. Nothing is cut in the middle of a character.
std::string cut_styled(std::string_view line, int columns);
/// Columns of such a line.
int styled_width(std::string_view line);

}  // namespace cli
