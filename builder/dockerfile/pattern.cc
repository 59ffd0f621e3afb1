#include "builder/dockerfile/pattern.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/characters.h"

namespace dockerfile {

namespace {

// One unit is one pattern token looked at for one character of the value.
constexpr size_t kBudget = size_t{1} << 28;

void spend(size_t& budget, size_t amount) {
  if (amount > budget) {
    throw base::Error(base::Code::kInvalid, "the pattern of a substitution takes too long to match",
                      "bad-substitution");
  }
  budget -= amount;
}

std::vector<char32_t> decode(std::string_view text) {
  std::vector<char32_t> out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    Character c = character_at(text, at);
    out.push_back(c.code);
    at += c.size;
  }
  return out;
}

// Byte offset of every character of `text`, and its size at the end.
std::vector<size_t> offsets(std::string_view text) {
  std::vector<size_t> out;
  out.reserve(text.size() + 1);
  for (size_t at = 0; at < text.size(); at += character_at(text, at).size) out.push_back(at);
  out.push_back(text.size());
  return out;
}

// The set of pattern positions a run of characters can have reached, stepped one character at a
// time. tokens[i] is next at position i; tokens.size() is a complete match.
template <typename Tokens>
class Positions {
 public:
  explicit Positions(const Tokens& tokens) : tokens_(tokens), now_(tokens.size() + 1, false) {
    now_[0] = true;
    close();
  }
  bool complete() const { return now_.back(); }
  bool dead() const {
    return std::none_of(now_.begin(), now_.end(), [](bool b) { return b; });
  }
  void step(char32_t code) {
    std::vector<bool> next(now_.size(), false);
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (!now_[i]) continue;
      if (tokens_[i].kind == 2) {
        next[i] = true;
      } else if (tokens_[i].kind == 1 || tokens_[i].code == code) {
        next[i + 1] = true;
      }
    }
    now_.swap(next);
    close();
  }

 private:
  void close() {
    for (size_t i = 0; i < tokens_.size(); ++i)
      if (now_[i] && tokens_[i].kind == 2) now_[i + 1] = true;
  }
  const Tokens& tokens_;
  std::vector<bool> now_;
};

// Number of characters of the shortest or longest prefix that matches.
template <typename Tokens>
std::optional<size_t> prefix_length(const Tokens& tokens, const std::vector<char32_t>& value,
                                    bool longest) {
  size_t budget = kBudget;
  Positions<Tokens> positions(tokens);
  std::optional<size_t> best;
  for (size_t i = 0;; ++i) {
    if (positions.complete()) {
      best = i;
      if (!longest) break;
    }
    if (i == value.size() || positions.dead()) break;
    spend(budget, tokens.size() + 1);
    positions.step(value[i]);
  }
  return best;
}

}  // namespace

ShellPattern::ShellPattern(std::string_view pattern) {
  std::vector<char32_t> codes = decode(pattern);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] == '*') {
      // A run of stars is one star.
      if (tokens_.empty() || tokens_.back().kind != Token::kStar)
        tokens_.push_back({Token::kStar, 0});
    } else if (codes[i] == '?') {
      tokens_.push_back({Token::kAny, 0});
    } else if (codes[i] == '\\') {
      char32_t next = i + 1 < codes.size() ? codes[++i] : 0;
      if (next != '*' && next != '?' && next != '\\' && next != '}' && next != '/') {
        throw base::Error(base::Code::kInvalid,
                          base::str("invalid escape in the pattern \"", base::printable(pattern),
                                    "\" of a substitution"),
                          "bad-substitution");
      }
      tokens_.push_back({Token::kCharacter, next});
    } else {
      tokens_.push_back({Token::kCharacter, codes[i]});
    }
  }
}

std::string ShellPattern::without_prefix(std::string_view value, bool longest) const {
  std::optional<size_t> length = prefix_length(tokens_, decode(value), longest);
  return std::string(value.substr(length ? offsets(value)[*length] : 0));
}

std::string ShellPattern::without_suffix(std::string_view value, bool longest) const {
  std::vector<Token> reversed(tokens_.rbegin(), tokens_.rend());
  std::vector<char32_t> codes = decode(value);
  std::reverse(codes.begin(), codes.end());
  std::optional<size_t> length = prefix_length(reversed, codes, longest);
  return std::string(
      value.substr(0, length ? offsets(value)[codes.size() - *length] : value.size()));
}

// Leftmost, then longest. Every start is tried at once: a pattern position remembers the earliest
// start that reached it, so one pass over the value is enough.
ShellPattern::Match ShellPattern::find(const std::vector<char32_t>& value, size_t from,
                                       size_t& budget) const {
  constexpr size_t kNone = std::numeric_limits<size_t>::max();
  std::vector<size_t> now(tokens_.size() + 1, kNone), next(tokens_.size() + 1);
  auto close = [&](std::vector<size_t>& starts) {
    for (size_t i = 0; i < tokens_.size(); ++i)
      if (tokens_[i].kind == Token::kStar) starts[i + 1] = std::min(starts[i + 1], starts[i]);
  };
  Match best{0, 0, false};
  for (size_t at = from;; ++at) {
    if (!best.found) now[0] = std::min(now[0], at);
    close(now);
    if (now.back() != kNone && (!best.found || now.back() <= best.begin))
      best = {now.back(), at, true};
    if (at == value.size()) break;
    spend(budget, now.size());
    std::fill(next.begin(), next.end(), kNone);
    bool alive = false;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (now[i] == kNone || (best.found && now[i] > best.begin)) continue;
      if (tokens_[i].kind == Token::kStar) {
        next[i] = std::min(next[i], now[i]);
        alive = true;
      } else if (tokens_[i].kind == Token::kAny || tokens_[i].code == value[at]) {
        next[i + 1] = std::min(next[i + 1], now[i]);
        alive = true;
      }
    }
    if (best.found && !alive) break;
    now.swap(next);
  }
  return best;
}

std::string ShellPattern::replaced(std::string_view value, std::string_view replacement, bool every,
                                   size_t limit) const {
  std::vector<char32_t> codes = decode(value);
  std::vector<size_t> at = offsets(value);
  size_t budget = kBudget;
  std::string out;
  size_t done = 0;                 // characters already in `out`
  std::optional<size_t> last_end;  // an empty match touching the one before does not count
  for (size_t from = 0; from <= codes.size();) {
    Match match = find(codes, from, budget);
    if (!match.found) break;
    out += value.substr(at[done], at[match.begin] - at[done]);
    done = match.begin;
    bool empty = match.begin == match.end;
    if (!empty || match.begin != last_end) out += replacement;
    if (out.size() > limit) {
      throw base::Error(base::Code::kInvalid, "the result of a substitution is too large",
                        "expansion-too-large");
    }
    done = match.end;
    last_end = match.end;
    if (!every) break;
    from = match.end + (empty ? 1 : 0);
  }
  out += value.substr(at[std::min(done, codes.size())]);
  return out;
}

}  // namespace dockerfile
