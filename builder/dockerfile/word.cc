#include "builder/dockerfile/word.h"

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/characters.h"
#include "builder/dockerfile/pattern.h"

namespace dockerfile {

namespace {

[[noreturn]] void fail(std::string message, const char* id = "bad-substitution") {
  throw base::Error(base::Code::kInvalid, std::move(message), id);
}

// Builds the plain result and the list of words side by side: a blank splits words only when it is
// not quoted, and quoted emptiness starts no word.
class Output {
 public:
  explicit Output(size_t limit) : limit_(limit) {}
  void plain(std::string_view text) {  // blanks split
    grow(text);
    for (size_t at = 0; at < text.size();) {
      Character c = character_at(text, at);
      if (is_space(c.code)) {
        end_word();
      } else {
        word_ += text.substr(at, c.size);
      }
      at += c.size;
    }
  }
  void quoted(std::string_view text) {  // blanks are kept
    grow(text);
    word_ += text;
  }
  void drop_word() { word_.clear(); }
  const std::string& result() const { return result_; }
  std::vector<std::string> words() {
    end_word();
    return std::move(words_);
  }

 private:
  void grow(std::string_view text) {
    if (text.size() > limit_ || result_.size() > limit_ - text.size())
      fail(base::str("the expanded text is larger than ", base::format_size(limit_)),
           "expansion-too-large");
    result_ += text;
  }
  void end_word() {
    if (!word_.empty()) words_.push_back(std::move(word_));
    word_.clear();
  }
  size_t limit_;
  std::string result_;
  std::string word_;
  std::vector<std::string> words_;
};

class Expander {
 public:
  Expander(std::string_view text, const Lookup& lookup, const ExpandOptions& options)
      : text_(text), lookup_(lookup), options_(options), keep_escapes_(options.keep_escapes) {}

  // Reads up to `stop` (consumed), or to the end when stop is 0.
  Output run(char stop, bool keep_escapes) {
    if (++depth_ > options_.nesting) fail("substitutions are nested too deep");
    bool outer = keep_escapes_;
    keep_escapes_ = keep_escapes;
    Output out(options_.limit);
    // REF keeps the word being split in one buffer that a nested substitution empties, so what
    // stood before it in the same word is lost: "he${x:-y}" splits to "y". expand() is not
    // affected.
    if (depth_ == 1) {
      outermost_ = &out;
    } else {
      outermost_->drop_word();
    }
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (stop != 0 && c == stop) {
        ++at_;
        return leave(std::move(out), outer);
      }
      if (c == '$') {
        out.plain(dollar());
      } else if (c == '\'' && !options_.quotes_are_text) {
        out.quoted(single_quoted());
      } else if (c == '"' && !options_.quotes_are_text) {
        out.quoted(double_quoted());
      } else if (c == '<' && text_.substr(at_, 2) == "<<") {
        out.quoted(heredoc_start());
      } else if (c == options_.escape) {
        escaped(out);
      } else {
        out.plain(next_character());
      }
    }
    if (stop != 0)
      fail(stop == '}' ? "missing '}' in a substitution" : "missing '/' in a substitution");
    return leave(std::move(out), outer);
  }

 private:
  Output leave(Output out, bool keep_escapes) {
    keep_escapes_ = keep_escapes;
    --depth_;
    return out;
  }

  std::string_view next_character() {
    size_t size = character_at(text_, at_).size;
    at_ += size;
    return text_.substr(at_ - size, size);
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_end() const { return at_ >= text_.size(); }

  void escaped(Output& out) {
    std::string_view escape = next_character();
    if (keep_escapes_) out.quoted(escape);
    if (!at_end()) out.quoted(next_character());
  }

  // Blanks after "<<" belong to the word, so that "<< EOF" is one word (L13).
  std::string_view heredoc_start() {
    size_t start = at_;
    at_ += 2;
    while (peek() == ' ' || peek() == '\t') ++at_;
    return text_.substr(start, at_ - start);
  }

  std::string single_quoted() {
    size_t end = text_.find('\'', at_ + 1);
    if (end == std::string_view::npos) fail("a single quote is not closed", "unterminated-quote");
    size_t start = at_;
    at_ = end + 1;
    if (options_.keep_quotes) return std::string(text_.substr(start, at_ - start));
    return std::string(text_.substr(start + 1, end - start - 1));
  }

  std::string double_quoted() {
    std::string out;
    ++at_;
    if (options_.keep_quotes) out += '"';
    while (!at_end()) {
      char c = peek();
      if (c == '"') {
        ++at_;
        if (options_.keep_quotes) out += '"';
        return out;
      }
      if (c == '$') {
        out += dollar();
        if (out.size() > options_.limit) Output(options_.limit).quoted(out);
        continue;
      }
      ++at_;
      if (c == options_.escape) {
        if (keep_escapes_) out += c;
        if (at_end()) break;
        if (char n = peek(); n == '"' || n == '$' || n == options_.escape) {
          c = n;
          ++at_;
        }
      }
      out += c;
    }
    fail("a double quote is not closed", "unterminated-quote");
  }

  std::string_view name() {
    size_t start = at_;
    if (is_digit(static_cast<unsigned char>(peek()))) {
      while (is_digit(static_cast<unsigned char>(peek()))) ++at_;
    } else if (!at_end() && std::string_view("@*#?-$!").find(peek()) != std::string_view::npos) {
      ++at_;
    } else {
      while (!at_end()) {
        Character c = character_at(text_, at_);
        if (!is_name_letter(c.code) && !is_digit(c.code)) break;
        at_ += c.size;
      }
    }
    return text_.substr(start, at_ - start);
  }

  std::optional<std::string> value_of(std::string_view variable, bool report) {
    std::optional<std::string> value = lookup_(variable);
    if (!value && report && options_.undefined) options_.undefined(variable);
    return value;
  }

  std::string dollar() {
    size_t start = at_++;
    if (peek() != '{' || at_end()) {
      std::string_view variable = name();
      if (variable.empty()) return "$";
      std::optional<std::string> value = value_of(variable, true);
      if (!value && options_.keep_unset) return base::str("$", variable);
      return value.value_or("");
    }
    ++at_;
    if (at_end()) fail("missing '}' in a substitution");
    std::string_view variable = name();
    if (variable.empty() || at_end()) bad(start);
    char op = text_[at_++];
    bool empty_is_unset = op == ':';
    if (empty_is_unset) {
      if (at_end()) bad(start);
      op = text_[at_++];
    }
    std::string value;
    switch (op) {
      case '}':
        if (empty_is_unset) bad(start);
        value = braced(variable);
        break;
      case '-':
      case '+':
      case '?':
        value = conditional(variable, op, empty_is_unset);
        break;
      case '#':
      case '%':
        if (empty_is_unset) bad(start);
        value = trimmed(variable, op);
        break;
      case '/':
        if (empty_is_unset) bad(start);
        value = replaced(variable);
        break;
      default:
        bad(start);
    }
    if (options_.keep_unset && !lookup_(variable))
      return std::string(text_.substr(start, at_ - start));
    return value;
  }

  [[noreturn]] void bad(size_t start) {
    fail(base::str("bad substitution \"", base::printable(text_.substr(start, at_ + 1 - start), 60),
                   "\""));
  }

  std::string braced(std::string_view variable) { return value_of(variable, true).value_or(""); }

  std::string conditional(std::string_view variable, char op, bool empty_is_unset) {
    std::string word = run('}', false).result();
    std::optional<std::string> value = value_of(variable, false);
    bool missing = !value || (empty_is_unset && value->empty());
    if (op == '-') return missing ? word : *value;
    if (op == '+') return missing ? "" : word;
    if (!missing) return *value;
    if (options_.keep_unset && !value) return {};
    if (word.empty()) word = value ? "is not allowed to be empty" : "is not allowed to be unset";
    fail(base::str(base::printable(variable, 100), ": ", base::printable(word)),
         "required-variable");
  }

  std::string trimmed(std::string_view variable, char op) {
    bool longest = peek() == op && !at_end();
    if (longest) ++at_;
    ShellPattern pattern(run('}', true).result());
    std::string value = value_of(variable, true).value_or("");
    return op == '#' ? pattern.without_prefix(value, longest)
                     : pattern.without_suffix(value, longest);
  }

  std::string replaced(std::string_view variable) {
    bool every = peek() == '/' && !at_end();
    if (every) ++at_;
    ShellPattern pattern(run('/', true).result());
    // Escapes stay in the replacement, as REF has it.
    std::string replacement = run('}', true).result();
    std::string value = value_of(variable, true).value_or("");
    return pattern.replaced(value, replacement, every, options_.limit);
  }

  std::string_view text_;
  const Lookup& lookup_;
  const ExpandOptions& options_;
  size_t at_ = 0;
  int depth_ = 0;
  Output* outermost_ = nullptr;  // lives in run() while depth_ > 0
  bool keep_escapes_;
};

}  // namespace

std::string expand(std::string_view word, const Lookup& lookup, const ExpandOptions& options) {
  return Expander(word, lookup, options).run(0, options.keep_escapes).result();
}

std::vector<std::string> expand_words(std::string_view text, const Lookup& lookup,
                                      const ExpandOptions& options) {
  return Expander(text, lookup, options).run(0, options.keep_escapes).words();
}

bool has_variable(std::string_view text) {
  size_t at = text.find('$');
  return at != std::string_view::npos && at + 1 < text.size();
}

}  // namespace dockerfile
