#pragma once

#include <string>
#include <string_view>

namespace cli {

/// Columns a character takes on a terminal: 2 for wide ones, 0 for combining ones (wcwidth(3) in a
/// UTF-8 locale, whatever the user's locale is). Unprintable ones count as 1.
int char_width(char32_t code);
/// Columns of valid UTF-8 without control sequences; an invalid byte counts as 1.
int display_width(std::string_view text);
/// The longest start of `text` that fits `columns`; when anything is lost, `mark` takes its end.
std::string cut_to_width(std::string_view text, int columns, std::string_view mark = "...");
/// `text` with blanks behind it up to `columns`; never cut.
std::string pad_to_width(std::string_view text, int columns);

}  // namespace cli
