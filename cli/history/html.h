#pragma once

#include <string>
#include <string_view>

namespace cli {

/// Any text as text of an HTML page or of an attribute in double quotes: control characters, bidi
/// controls and invalid UTF-8 become \xNN, what HTML reads becomes entities. Cut to `limit` bytes.
std::string html_text(std::string_view text, size_t limit = 4000);

/// The same, cut shorter where it is mostly entities: seldom more than a third longer than `limit`.
std::string html_short(std::string_view text, size_t limit);

/// JSON, which is ASCII, as it may stand in a <script> element: nothing in it can end that.
std::string script_json(std::string_view json);

}  // namespace cli
