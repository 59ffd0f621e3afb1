#include "builder/dockerfile/glob.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/characters.h"

namespace dockerfile {

namespace {

[[noreturn]] void bad_pattern(std::string_view pattern, const char* why) {
  throw base::Error(base::Code::kInvalid,
                    base::str("malformed pattern \"", base::printable(pattern, 200), "\": ", why),
                    "bad-pattern");
}

}  // namespace

Glob::Glob(std::string_view pattern, Dialect dialect) {
  compile(pattern, dialect);
  choose_shape(pattern);
}

void Glob::compile(std::string_view pattern, Dialect dialect) {
  for (size_t at = 0; at < pattern.size();) {
    Character c = character_at(pattern, at);
    switch (c.code) {
      case '*':
        if (dialect == Dialect::kIgnore && pattern.substr(at, 2) == "**") {
          at = compile_stars(pattern, at);
          continue;
        }
        if (tokens_.empty() || tokens_.back().kind != Token::kRun) tokens_.push_back({Token::kRun});
        break;
      case '?':
        tokens_.push_back({Token::kAny});
        break;
      case '[':
        at = compile_class(pattern, at);
        continue;
      case '\\':
        at += 1;
        if (at >= pattern.size()) bad_pattern(pattern, "nothing after the backslash");
        c = character_at(pattern, at);
        [[fallthrough]];
      default:
        tokens_.push_back({Token::kCharacter, c.code});
    }
    at += c.size;
  }
}

size_t Glob::compile_stars(std::string_view pattern, size_t at) {
  at += 2;
  if (at < pattern.size() && pattern[at] == '/') ++at;
  Token::Kind kind = at < pattern.size() ? Token::kDirectories : Token::kDeepRun;
  if (tokens_.empty() || tokens_.back().kind != kind) tokens_.push_back({kind});
  return at;
}

size_t Glob::compile_class(std::string_view pattern, size_t at) {
  Token token{Token::kClass};
  ++at;
  if (at < pattern.size() && pattern[at] == '^') {
    token.negated = true;
    ++at;
  }
  // One end of a range: "-" and "]" must be escaped.
  auto end_of_range = [&]() -> char32_t {
    if (at >= pattern.size()) bad_pattern(pattern, "the class is not closed");
    if (pattern[at] == '-' || pattern[at] == ']')
      bad_pattern(pattern, "'-' or ']' in a class needs a backslash");
    if (pattern[at] == '\\' && ++at >= pattern.size())
      bad_pattern(pattern, "nothing after the backslash");
    Character c = character_at(pattern, at);
    at += c.size;
    return c.code;
  };
  do {
    char32_t low = end_of_range(), high = low;
    if (at < pattern.size() && pattern[at] == '-') {
      ++at;
      high = end_of_range();
      if (high < low) bad_pattern(pattern, "a range of a class runs backwards");
    }
    token.ranges.emplace_back(low, high);
    if (at >= pattern.size()) bad_pattern(pattern, "the class is not closed");
  } while (pattern[at] != ']');
  tokens_.push_back(std::move(token));
  return at + 1;
}

// Most patterns in the wild are plain names, "dir/**" or "**/name": those need no machine.
void Glob::choose_shape(std::string_view pattern) {
  auto is_plain = [](const Token& t) { return t.kind == Token::kCharacter; };
  auto first = tokens_.begin(), last = tokens_.end();
  shape_ = Shape::kLiteral;
  if (pattern.find('\\') != std::string_view::npos) {
    shape_ = Shape::kGeneral;
    return;
  }
  if (!tokens_.empty() && tokens_.front().kind == Token::kDirectories) {
    ++first;
    shape_ = Shape::kSuffix;
  } else if (!tokens_.empty() && tokens_.back().kind == Token::kDeepRun) {
    --last;
    shape_ = Shape::kPrefix;
  }
  bool repeated = shape_ == Shape::kSuffix && pattern.find('*', 2) != std::string_view::npos;
  if (repeated || !std::all_of(first, last, is_plain)) {
    shape_ = Shape::kGeneral;
    return;
  }
  // "**/x" keeps its slash and "**x" has none: the latter also matches "ax", as REF has it.
  text_ = pattern;
  if (shape_ == Shape::kSuffix) text_.erase(0, 2);
  if (shape_ == Shape::kPrefix) text_.resize(text_.find('*'));
}

bool Glob::token_matches(const Token& token, char32_t code) const {
  switch (token.kind) {
    case Token::kCharacter:
      return token.code == code;
    case Token::kAny:
    case Token::kRun:
      return code != '/';
    case Token::kClass:
      return token.negated != std::any_of(token.ranges.begin(), token.ranges.end(), [&](auto& r) {
               return code >= r.first && code <= r.second;
             });
    case Token::kDeepRun:
    case Token::kDirectories:
      return true;
  }
  return false;
}

// Keeps the set of tokens that may come next; tokens_.size() is a complete match. A kDirectories
// token is left only at its start, or after a '/'.
bool Glob::general(std::string_view path) const {
  std::vector<char> now(tokens_.size() + 1, 0), next(tokens_.size() + 1, 0);
  std::vector<char> inside(tokens_.size() + 1, 0), next_inside(tokens_.size() + 1, 0);
  auto close = [&](std::vector<char>& set) {
    for (size_t i = 0; i < tokens_.size(); ++i)
      if (set[i] && (tokens_[i].kind == Token::kRun || tokens_[i].kind == Token::kDeepRun ||
                     tokens_[i].kind == Token::kDirectories))
        set[i + 1] = 1;
  };
  now[0] = 1;
  close(now);
  for (size_t at = 0; at < path.size();) {
    Character c = character_at(path, at);
    at += c.size;
    std::fill(next.begin(), next.end(), 0);
    std::fill(next_inside.begin(), next_inside.end(), 0);
    bool alive = false;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      if (token.kind == Token::kDirectories) {
        if (!now[i] && !inside[i]) continue;
        next_inside[i] = 1;
        if (c.code == '/') next[i + 1] = 1;
        alive = true;
      } else if (now[i] && token_matches(token, c.code)) {
        next[token.kind == Token::kRun || token.kind == Token::kDeepRun ? i : i + 1] = 1;
        alive = true;
      }
    }
    if (!alive) return false;
    now.swap(next);
    inside.swap(next_inside);
    close(now);
  }
  return now.back();
}

bool Glob::matches(std::string_view path) const {
  switch (shape_) {
    case Shape::kLiteral:
      return path == text_;
    case Shape::kPrefix:
      return path.substr(0, text_.size()) == text_;
    case Shape::kSuffix:
      if (path.size() >= text_.size() && path.substr(path.size() - text_.size()) == text_)
        return true;
      return !text_.empty() && text_[0] == '/' && path == std::string_view(text_).substr(1);
    case Shape::kGeneral:
      return general(path);
  }
  return false;
}

bool has_wildcard(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\')
      ++i;
    else if (pattern[i] == '*' || pattern[i] == '?' || pattern[i] == '[')
      return true;
  }
  return false;
}

bool path_match(std::string_view pattern, std::string_view path) {
  return Glob(pattern, Glob::Dialect::kPath).matches(path);
}

std::string clean_path(std::string_view path) {
  bool rooted = !path.empty() && path[0] == '/';
  std::vector<std::string_view> kept;
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == ".." && !kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (part != ".." || !rooted) {
      kept.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (size_t i = 0; i < kept.size(); ++i) {
    if (i > 0) out += '/';
    out += kept[i];
  }
  return out.empty() ? "." : out;
}

}  // namespace dockerfile
