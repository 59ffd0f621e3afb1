#include "builder/dockerfile/arguments.h"

#include "base/text.h"
#include "builder/dockerfile/characters.h"
#include "builder/dockerfile/json_array.h"

namespace dockerfile {

namespace {

// What separates words of a list and the keyword from its arguments (L7): no line feed, no Unicode.
constexpr std::string_view kBlanks = "\t\v\f\r ";

// One level is legal; a second is kept so that the message can show it (S8).
constexpr int kMaxTriggerDepth = 4;

// More words than any command takes; keeps a hostile recipe from costing 50 times its size in
// memory.
constexpr size_t kMaxWords = 100'000;

}  // namespace

base::SourceRange ArgumentReader::range(size_t begin, size_t size) const {
  Span span = line_.span(begin, size);
  return {file_, span.line, span.line, span.column, span.width};
}

void ArgumentReader::error(Instruction& out, std::string id, std::string message, size_t begin,
                           size_t size, std::vector<std::string> helps) {
  out.broken = true;
  errors_.push_back(
      {std::move(id), std::move(message), range(begin, size), std::move(helps), false});
}

void ArgumentReader::add_arg(Instruction& out, std::string text, size_t begin, size_t size) {
  if (out.args.size() >= kMaxWords) {
    if (!out.broken)
      error(out, "too-many-words", base::str("an instruction may have ", kMaxWords, " words"),
            begin, size);
    return;
  }
  out.args.push_back(std::move(text));
  out.arg_spans.push_back(line_.span(begin, size));
}

Instruction ArgumentReader::read(size_t begin) {
  Instruction out;
  out.escape = escape_;
  std::string_view all = line_.text();
  std::string_view text = trim_space(all.substr(begin));
  begin = static_cast<size_t>(text.data() - all.data());
  if (text.empty()) begin = all.size();
  out.text = text;
  size_t keyword_size = std::min(text.find_first_of(kBlanks), text.size());
  out.written = text.substr(0, keyword_size);
  out.name = base::to_lower(out.written);
  out.keyword = find_keyword(out.name);
  Span span = line_.span(begin, keyword_size);
  out.where = {file_, span.line, span.line, span.column, span.width};

  size_t limit = begin + text.size();
  size_t rest = begin + keyword_size;
  while (rest < limit && kBlanks.find(all[rest]) != std::string_view::npos) ++rest;
  rest = read_flags(out, rest, limit);
  std::string_view arguments = trim_space(all.substr(rest, limit - std::min(rest, limit)));
  begin_ = arguments.empty() ? limit : static_cast<size_t>(arguments.data() - all.data());
  end_ = begin_ + arguments.size();
  out.rest = arguments;
  read_arguments(out);
  return out;
}

// Takes words that start with "--" (L8); returns where the arguments begin.
size_t ArgumentReader::read_flags(Instruction& out, size_t begin, size_t limit) {
  std::string_view text = std::string_view(line_.text()).substr(0, limit);
  size_t at = begin;
  while (at < text.size()) {
    Character c = character_at(text, at);
    if (is_space(c.code)) {
      at += c.size;
      continue;
    }
    if (text.substr(at, 2) != "--") return at;
    size_t start = at;
    std::string flag;
    char quote = '\0';
    for (; at < text.size(); at += c.size) {
      c = character_at(text, at);
      if (quote == '\0' && is_space(c.code)) break;
      if (quote == '\0' && (c.code == '\'' || c.code == '"')) {
        quote = text[at];
      } else if (quote != '\0' && text[at] == quote) {
        quote = '\0';
      } else if (text[at] == escape_) {
        if (++at >= text.size()) break;
        c = character_at(text, at);
        flag += text.substr(at, c.size);
      } else {
        flag += text.substr(at, c.size);
      }
    }
    if (flag == "--") return at;
    out.flags.push_back(std::move(flag));
    out.flag_spans.push_back(line_.span(start, at - start));
  }
  return at;
}

void ArgumentReader::read_arguments(Instruction& out) {
  switch (out.keyword) {
    case Keyword::kMaintainer:
    case Keyword::kStopsignal:
    case Keyword::kUser:
    case Keyword::kWorkdir:
      return read_text(out, begin_);
    case Keyword::kCmd:
    case Keyword::kEntrypoint:
    case Keyword::kRun:
    case Keyword::kShell:
      if (!read_json(out, begin_)) read_text(out, begin_);
      return;
    case Keyword::kAdd:
    case Keyword::kCopy:
    case Keyword::kVolume:
      if (!read_json(out, begin_)) read_list(out, begin_);
      return;
    case Keyword::kExpose:
    case Keyword::kFrom:
      return read_list(out, begin_);
    case Keyword::kArg:
      for (Word& word : words(begin_)) add_arg(out, std::move(word.text), word.begin, word.size);
      return;
    case Keyword::kEnv:
    case Keyword::kLabel:
      return read_pairs(out);
    case Keyword::kHealthcheck:
      return read_healthcheck(out);
    case Keyword::kOnbuild:
      return read_trigger(out);
    case Keyword::kUnknown:
      return;
  }
}

void ArgumentReader::read_text(Instruction& out, size_t begin) {
  if (begin < end_) add_arg(out, line_.text().substr(begin, end_ - begin), begin, end_ - begin);
}

void ArgumentReader::read_list(Instruction& out, size_t begin) {
  std::string_view text = std::string_view(line_.text()).substr(0, end_);
  for (size_t at = begin; at < end_;) {
    size_t stop = std::min(text.find_first_of(kBlanks, at), end_);
    if (stop > at) add_arg(out, std::string(text.substr(at, stop - at)), at, stop - at);
    at = stop + 1;
  }
}

// True when the JSON form applies, also when it is wrong in a way that does not fall back (L10).
bool ArgumentReader::read_json(Instruction& out, size_t begin) {
  std::string_view text = std::string_view(line_.text()).substr(begin, end_ - begin);
  if (text.empty() || text[0] != '[') return false;
  JsonArray array = read_json_array(text);
  if (array.outcome == JsonArray::Outcome::kInvalid) {
    // "RUN [ -f x ] && ...", "RUN [[ ... ]]" and PowerShell's "RUN [Type]::..." are the shell's
    // own.
    bool shell_text =
        out.keyword == Keyword::kRun && text.substr(1, 1) != "\"" && text.substr(1, 1) != "'";
    if (!shell_text) {
      Diagnostic warning;
      warning.id = "JSONFormInvalid";
      warning.message =
          base::str(base::to_upper(out.name), " arguments start with '[' but are no JSON array (",
                    array.reason, "); they are read as plain text");
      warning.where = range(begin + std::min(array.offset, text.size() - 1), 1);
      warning.warning = true;
      warnings_.push_back(std::move(warning));
    }
    return false;
  }
  out.json = true;
  if (array.outcome == JsonArray::Outcome::kNotStrings) {
    error(out, "json-form-not-strings",
          base::str(base::to_upper(out.name), " in JSON form takes strings only"),
          begin + array.offset, 1, {"put every element in double quotes"});
    return true;
  }
  for (JsonArray::Element& element : array.strings)
    add_arg(out, std::move(element.text), begin + element.offset, element.size);
  return true;
}

// Splits at blanks outside quotes; quotes and escapes stay (L11).
std::vector<ArgumentReader::Word> ArgumentReader::words(size_t begin) const {
  std::string_view text = std::string_view(line_.text()).substr(0, end_);
  std::vector<Word> out;
  for (size_t at = begin; at < end_ && out.size() <= kMaxWords;) {
    Character c = character_at(text, at);
    if (is_space(c.code)) {
      at += c.size;
      continue;
    }
    Word word{"", at, 0};
    char quote = '\0';
    for (; at < end_; at += c.size) {
      c = character_at(text, at);
      if (quote == '\0' && is_space(c.code)) break;
      if (text[at] == escape_ && quote != '\'') {
        if (at + 1 >= end_) continue;  // as the last character it is dropped
        word.text += text[at++];
        c = character_at(text, at);
      } else if (quote == '\0' && (c.code == '\'' || c.code == '"')) {
        quote = text[at];
      } else if (quote != '\0' && text[at] == quote) {
        quote = '\0';
      }
      word.text += text.substr(at, c.size);
    }
    word.size = at - word.begin;
    if (!word.text.empty()) out.push_back(std::move(word));
  }
  return out;
}

void ArgumentReader::read_pairs(Instruction& out) {
  std::vector<Word> list = words(begin_);
  if (list.empty()) return;
  std::string_view text = line_.text();
  if (list[0].text.find('=') == std::string::npos) {
    size_t name_end = std::min(text.find_first_of(kBlanks, begin_), end_);
    size_t value = std::min(text.find_first_not_of(kBlanks, name_end), end_);
    if (value >= end_) {
      error(out, "missing-value",
            base::str(base::to_upper(out.name), " needs a value for \"",
                      base::printable(list[0].text, 80), "\""),
            begin_, end_ - begin_,
            {base::str("write ", base::to_upper(out.name), " ", base::printable(list[0].text, 80),
                       "=value")});
      return;
    }
    add_arg(out, std::string(text.substr(begin_, name_end - begin_)), begin_, name_end - begin_);
    add_arg(out, std::string(text.substr(value, end_ - value)), value, end_ - value);
    add_arg(out, "", value, 0);
    return;
  }
  for (Word& word : list) {
    size_t equals = word.text.find('=');
    if (equals == std::string::npos) {
      error(out, "missing-value",
            base::str(base::to_upper(out.name), " word \"", base::printable(word.text, 80),
                      "\" has no '='"),
            word.begin, word.size, {"every word must be name=value; quote values with blanks"});
      return;
    }
    add_arg(out, word.text.substr(0, equals), word.begin, equals);
    add_arg(out, word.text.substr(equals + 1), word.begin + equals + 1,
            word.size - std::min(word.size, equals + 1));
    add_arg(out, "=", word.begin + equals, 1);
  }
}

void ArgumentReader::read_healthcheck(Instruction& out) {
  std::string_view text = line_.text();
  size_t type_end = begin_;
  while (type_end < end_ && !is_space(static_cast<unsigned char>(text[type_end]))) ++type_end;
  if (type_end == begin_) return;
  size_t command = type_end;
  while (command < end_ && is_space(static_cast<unsigned char>(text[command]))) ++command;
  add_arg(out, std::string(text.substr(begin_, type_end - begin_)), begin_, type_end - begin_);
  if (!read_json(out, command)) read_text(out, command);
}

void ArgumentReader::read_trigger(Instruction& out) {
  if (begin_ == end_) return;
  if (depth_ >= kMaxTriggerDepth) {
    return error(out, "onbuild-chained", "ONBUILD inside ONBUILD is not allowed", begin_,
                 end_ - begin_);
  }
  auto trigger = std::make_shared<Instruction>();
  size_t begin = begin_, end = end_;
  ++depth_;
  *trigger = read(begin_);
  --depth_;
  begin_ = begin;
  end_ = end;
  out.broken = out.broken || trigger->broken;
  out.trigger = std::move(trigger);
}

}  // namespace dockerfile
