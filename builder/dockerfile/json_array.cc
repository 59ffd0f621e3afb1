#include "builder/dockerfile/json_array.h"

#include "builder/dockerfile/characters.h"

namespace dockerfile {

namespace {

constexpr size_t kMaxDepth = 10000;

/// A checker for RFC 8259 that keeps only the strings of the outermost array. Open brackets are
/// kept on an explicit stack, so hostile nesting costs memory in proportion to the input and no
/// more.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  JsonArray run() {
    skip_blanks();
    if (!take('[')) {
      fail("expected '['");
    } else {
      open_.push_back(']');
      elements();
      skip_blanks();
      if (ok() && at_ < text_.size()) fail("text after the closing ']'");
    }
    if (!ok()) {
      result_.outcome = JsonArray::Outcome::kInvalid;
      result_.strings.clear();
    } else {
      result_.outcome = has_other_ ? JsonArray::Outcome::kNotStrings : JsonArray::Outcome::kStrings;
      if (has_other_) result_.offset = other_at_;
    }
    return std::move(result_);
  }

 private:
  bool ok() const { return result_.reason.empty(); }
  void fail(std::string reason) {
    if (!ok()) return;
    result_.reason = std::move(reason);
    result_.offset = at_;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  // Reads values until every bracket is closed. `want_value` is true after "[", ":" and ",".
  void elements() {
    bool want_value = true;
    bool just_opened = true;
    while (ok() && !open_.empty()) {
      skip_blanks();
      if (at_ >= text_.size()) return fail("the array is not closed");
      bool closes = peek() == open_.back();
      if (want_value && !(just_opened && closes)) {
        just_opened = false;
        if (open_.back() == '}' && !key()) return;
        want_value = value(just_opened);
      } else if (closes) {
        ++at_;
        open_.pop_back();
        want_value = just_opened = false;
      } else if (take(',')) {
        want_value = true;
      } else {
        return fail(open_.back() == ']' ? "expected ',' or ']'" : "expected ',' or '}'");
      }
    }
  }

  bool key() {
    if (peek() != '"') fail("expected a string as object key");
    std::string ignored;
    if (!ok() || !string(ignored)) return false;
    skip_blanks();
    if (!take(':')) fail("expected ':'");
    skip_blanks();
    return ok();
  }

  // Reads a scalar, or the opening bracket of a container; true when a value must follow.
  bool value(bool& just_opened) {
    size_t start = at_;
    bool outermost = open_.size() == 1;
    char c = peek();
    if (c == '"') {
      std::string decoded;
      if (string(decoded) && outermost)
        result_.strings.push_back({std::move(decoded), start, at_ - start});
      return false;
    }
    if (outermost && !has_other_) {
      has_other_ = true;
      other_at_ = start;
    }
    if (c == '[' || c == '{') {
      ++at_;
      open_.push_back(c == '[' ? ']' : '}');
      if (open_.size() > kMaxDepth) fail("nested too deep");
      return just_opened = true;
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
      number();
    } else if (!word("true") && !word("false") && !word("null")) {
      fail(c == '\'' ? "strings need double quotes" : "expected a string");
    }
    return false;
  }

  bool word(std::string_view name) {
    if (text_.substr(at_, name.size()) != name) return false;
    at_ += name.size();
    return true;
  }

  bool digits() {
    size_t start = at_;
    while (is_digit(static_cast<unsigned char>(peek()))) ++at_;
    return at_ > start;
  }

  void number() {
    take('-');
    if (!take('0') && !digits()) return fail("malformed number");
    if (take('.') && !digits()) return fail("malformed number");
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) fail("malformed number");
    }
  }

  bool hex4(char32_t& code) {
    code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char c = peek();
      char32_t digit = c >= '0' && c <= '9'   ? static_cast<char32_t>(c - '0')
                       : c >= 'a' && c <= 'f' ? static_cast<char32_t>(c - 'a' + 10)
                       : c >= 'A' && c <= 'F' ? static_cast<char32_t>(c - 'A' + 10)
                                              : 16;
      if (digit == 16) return fail("expected four hex digits after \\u"), false;
      code = code * 16 + digit;
    }
    return true;
  }

  bool escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    char c = peek();
    if (size_t i = kNames.find(c); at_ < text_.size() && i != std::string_view::npos) {
      ++at_;
      out.push_back(kValues[i]);
      return true;
    }
    if (!take('u')) return fail("unknown escape in a string"), false;
    char32_t code = 0;
    if (!hex4(code)) return false;
    if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_, 2) == "\\u") {
      size_t back = at_;
      char32_t low = 0;
      at_ += 2;
      if (!hex4(low)) return false;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      } else {
        at_ = back;  // a lone surrogate; the second escape stands for itself
      }
    }
    append_utf8(out, code);
    return true;
  }

  bool string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '"') return ++at_, true;
      if (c == '\\') {
        ++at_;
        if (!escape(out)) return false;
        continue;
      }
      if (static_cast<unsigned char>(c) < 0x20) return fail("control byte in a string"), false;
      Character character = character_at(text_, at_);
      append_utf8(out, character.code);
      at_ += character.size;
    }
    return fail("the string is not closed"), false;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string open_;  // closing brackets still owed, innermost last
  bool has_other_ = false;
  size_t other_at_ = 0;
  JsonArray result_;
};

}  // namespace

JsonArray read_json_array(std::string_view text) { return Reader(text).run(); }

}  // namespace dockerfile
