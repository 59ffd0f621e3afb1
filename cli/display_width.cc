#include "cli/display_width.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>

#include "base/text.h"

namespace cli {

namespace {

// wcwidth answers for the thread's locale; ours is in force only while it is asked, so that nothing
// else (number formats above all) changes with it.
class Utf8Locale {
 public:
  Utf8Locale() {
    static const locale_t kUtf8 =
        newlocale(LC_CTYPE_MASK, "C.UTF-8", static_cast<locale_t>(nullptr));
    if (kUtf8 != nullptr) before_ = uselocale(kUtf8);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  ~Utf8Locale() {
    if (before_ != nullptr) uselocale(before_);
  }

 private:
  locale_t before_ = nullptr;
};

int width_in_locale(char32_t code) {
  if (code >= 0x20 && code < 0x7f) return 1;
  int width = wcwidth(static_cast<wchar_t>(code));
  return width < 0 ? 1 : width;
}

// Bytes of `text` that fit `columns`; `used` gets the columns they take.
size_t fitting(std::string_view text, int columns, int& used) {
  Utf8Locale utf8;
  size_t at = 0;
  used = 0;
  while (at < text.size()) {
    char32_t code = 0;
    size_t n = base::decode_utf8(text.substr(at), code);
    int width = n == 0 ? 1 : width_in_locale(code);
    if (used + width > columns) break;
    used += width;
    at += std::max<size_t>(n, 1);
  }
  return at;
}

}  // namespace

int char_width(char32_t code) {
  if (code >= 0x20 && code < 0x7f) return 1;
  Utf8Locale utf8;
  return width_in_locale(code);
}

int display_width(std::string_view text) {
  int used = 0;
  fitting(text, 1 << 30, used);
  return used;
}

std::string cut_to_width(std::string_view text, int columns, std::string_view mark) {
  int used = 0;
  columns = std::max(columns, 0);
  if (fitting(text, columns, used) == text.size()) return std::string(text);
  int mark_width = display_width(mark);
  if (mark_width > columns) return std::string(text.substr(0, fitting(text, columns, used)));
  return std::string(text.substr(0, fitting(text, columns - mark_width, used))) + std::string(mark);
}

std::string pad_to_width(std::string_view text, int columns) {
  int missing = columns - display_width(text);
  return std::string(text) + std::string(static_cast<size_t>(std::max(missing, 0)), ' ');
}

}  // namespace cli
