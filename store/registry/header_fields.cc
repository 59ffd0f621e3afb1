#include "store/registry/header_fields.h"

#include <time.h>

#include "base/text.h"

namespace registry {

namespace {

bool is_token_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

/// Reads a header's text from left to right.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  void blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }
  void blanks_and_commas() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t,"), rest_.size()));
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string token() {
    size_t n = 0;
    while (n < rest_.size() && is_token_byte(rest_[n])) ++n;
    return cut(n);
  }
  /// A token or a quoted string; nullopt when it is neither or the quotes do not close.
  std::optional<std::string> value() {
    if (!take('"')) {
      // Some registries leave the quotes out around addresses and scopes.
      std::string text = cut(std::min(rest_.find_first_of(" \t,;"), rest_.size()));
      if (text.empty()) return std::nullopt;
      return text;
    }
    std::string text;
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return text;
      if (c == '\\') {
        if (rest_.empty()) return std::nullopt;
        c = rest_.front();
        rest_.remove_prefix(1);
      }
      text += c;
    }
    return std::nullopt;
  }
  std::string_view rest() const { return rest_; }
  std::string cut(size_t n) {
    std::string text(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return text;
  }

 private:
  std::string_view rest_;
};

/// "name = value"; leaves the cursor alone when there is no such thing.
bool read_parameter(Cursor& cursor, Challenge& challenge, bool& malformed) {
  Cursor ahead = cursor;
  std::string name = ahead.token();
  ahead.blanks();
  if (name.empty() || !ahead.take('=')) return false;
  ahead.blanks();
  auto value = ahead.value();
  malformed = !value;
  if (value) challenge.parameters.emplace(base::to_lower(name), *std::move(value));
  cursor = ahead;
  return true;
}

}  // namespace

std::string Challenge::get(const std::string& name) const {
  auto found = parameters.find(name);
  return found == parameters.end() ? "" : found->second;
}

std::vector<Challenge> parse_challenges(std::string_view header) {
  constexpr size_t kMost = 16;
  std::vector<Challenge> challenges;
  Cursor cursor(header);
  cursor.blanks_and_commas();
  while (!cursor.done() && challenges.size() < kMost) {
    Challenge challenge;
    challenge.scheme = base::to_lower(cursor.token());
    if (challenge.scheme.empty()) break;
    bool malformed = false;
    for (cursor.blanks(); read_parameter(cursor, challenge, malformed) && !malformed;) {
      cursor.blanks();
      if (!cursor.take(',')) break;
      cursor.blanks_and_commas();
    }
    if (malformed) break;
    challenges.push_back(std::move(challenge));
    cursor.blanks_and_commas();
  }
  return challenges;
}

std::optional<std::string> parse_next_link(std::string_view header) {
  Cursor cursor(header);
  for (;;) {
    cursor.blanks_and_commas();
    if (!cursor.take('<')) return std::nullopt;
    size_t end = cursor.rest().find('>');
    if (end == std::string_view::npos) return std::nullopt;
    std::string target = cursor.cut(end);
    cursor.take('>');
    bool next = false;
    for (cursor.blanks(); cursor.take(';'); cursor.blanks()) {
      cursor.blanks();
      std::string name = base::to_lower(cursor.token());
      cursor.blanks();
      if (!cursor.take('=')) continue;
      cursor.blanks();
      auto value = cursor.value();
      if (!value) return std::nullopt;
      next |= name == "rel" && base::to_lower(*value) == "next";
    }
    if (next) return target;
  }
}

std::optional<ContentRange> parse_content_range(std::string_view header) {
  header = base::trim(header);
  if (!header.starts_with("bytes ")) return std::nullopt;
  header = base::trim(header.substr(6));
  size_t dash = header.find('-');
  size_t slash = header.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash)
    return std::nullopt;
  auto first = base::parse_decimal(header.substr(0, dash));
  auto last = base::parse_decimal(header.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return std::nullopt;
  ContentRange range{*first, *last, {}};
  std::string_view total = header.substr(slash + 1);
  if (total == "*") return range;
  range.total = base::parse_decimal(total);
  if (!range.total || *range.total <= *last) return std::nullopt;
  return range;
}

std::optional<uint64_t> parse_upload_range(std::string_view header) {
  header = base::trim(header);
  if (header.starts_with("bytes=")) header.remove_prefix(6);
  size_t dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto first = base::parse_decimal(header.substr(0, dash));
  auto last = base::parse_decimal(header.substr(dash + 1));
  if (!first || *first != 0 || !last || *last == 0 || *last == UINT64_MAX) return std::nullopt;
  return *last + 1;
}

std::optional<uint64_t> parse_retry_after(std::string_view header, int64_t now) {
  header = base::trim(header);
  if (auto seconds = base::parse_decimal(header)) return seconds;
  struct tm time = {};
  std::string text(header);
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  int64_t then = ::timegm(&time);
  return then <= now ? 0 : static_cast<uint64_t>(then - now);
}

}  // namespace registry
