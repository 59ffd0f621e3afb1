#include "cli/history/html.h"

#include "base/text.h"

namespace cli {

std::string html_text(std::string_view text, size_t limit) {
  std::string out;
  for (char c : base::printable(text, limit)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string html_short(std::string_view text, size_t limit) {
  std::string out = html_text(text, limit);
  for (size_t cut = limit; out.size() > limit + limit / 3 && cut > 4;) {
    cut -= cut / 4 + 1;
    out = html_text(text, cut);
  }
  return out;
}

std::string script_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (char c : json) {
    // They stand in strings alone, where an escape means the same.
    if (c == '<')
      out += "\\u003c";
    else if (c == '>')
      out += "\\u003e";
    else if (c == '&')
      out += "\\u0026";
    else
      out += c;
  }
  return out;
}

}  // namespace cli
