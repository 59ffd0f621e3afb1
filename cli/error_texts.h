#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

/// What docs/errors.md says of one error, warning or check. The page is part of the program; the
/// views are of static storage.
struct ErrorText {
  std::string_view id;  ///< "copy-source-missing", as it is printed in brackets
  std::string_view
      body;  ///< paragraphs, and commands indented by four blanks; blank lines between them
};

/// All of them, in the order of the page.
std::vector<ErrorText> error_texts();
std::optional<ErrorText> find_error_text(std::string_view id);

/// The text as it is shown: paragraphs broken to `width` columns, commands as they stand.
std::string render_error_text(const ErrorText& text, int width);
/// Every id with the first sentence of its text, in two columns.
std::string render_error_list(int width);

}  // namespace cli
