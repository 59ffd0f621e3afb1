#include "builder/cache/definition.h"

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "base/text.h"

namespace cache {

Definition::Definition(std::string_view kind) { add("torte-step-2", kind); }

void Definition::add(std::string_view field, std::string_view value) {
  text_ += field;
  text_ += ' ';
  for (size_t at; (at = value.find_first_of("\n\\")) != std::string_view::npos;
       value.remove_prefix(at + 1)) {
    text_ += value.substr(0, at);
    text_ += value[at] == '\n' ? "\\n" : "\\\\";
  }
  text_ += value;
  text_ += '\n';
}

CacheKey Definition::key() const { return base::sha256_hex(base::as_bytes(text_)); }

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// Lists such as env and file lines are told apart by what precedes '=' or the first tab.
std::string identity(const std::string& field, const std::string& value) {
  if (field != "env" && field != "file" && field != "volume") return field;
  return field + " " + value.substr(0, value.find_first_of(field == "env" ? "=" : "\t"));
}

Fields fields_of(std::string_view text) {
  Fields fields;
  for (const std::string& line : base::split(text, '\n')) {
    if (line.empty()) continue;
    size_t blank = line.find(' ');
    std::string field = line.substr(0, blank);
    std::string value = blank == std::string::npos ? "" : line.substr(blank + 1);
    fields.emplace_back(identity(field, value), value);
  }
  return fields;
}

}  // namespace

bool equal_without(std::string_view a, std::string_view b,
                   std::initializer_list<std::string_view> fields) {
  const auto next = [&](std::string_view& text) {
    for (;;) {
      std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      std::string_view field = line.substr(0, line.find(' '));
      if (line.empty() || std::find(fields.begin(), fields.end(), field) == fields.end())
        return line;
    }
  };
  while (!a.empty() || !b.empty())
    if (next(a) != next(b)) return false;
  return true;
}

// Takes off the whole lines that both begin with, or both end with: a COPY has a line for each
// file, and mostly one of thousands differs.
void strip_common_lines(std::string_view& a, std::string_view& b) {
  const size_t least = std::min(a.size(), b.size());
  size_t same =
      std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(least), b.begin()).first -
      a.begin();
  same = same == 0 ? 0 : a.rfind('\n', same - 1) + 1;
  a.remove_prefix(same);
  b.remove_prefix(same);
  size_t end = 0;
  while (end < std::min(a.size(), b.size()) && a[a.size() - 1 - end] == b[b.size() - 1 - end])
    ++end;
  // Up to the beginning of a line of both.
  const size_t line = a.find('\n', a.size() - end);
  const size_t kept = line == std::string_view::npos ? a.size() : line + 1;
  b.remove_suffix(a.size() - kept);
  a.remove_suffix(a.size() - kept);
}

std::vector<Change> compare(std::string_view old_text, std::string_view new_text) {
  strip_common_lines(old_text, new_text);
  std::map<std::string, std::vector<std::string>> before;
  for (auto& [field, value] : fields_of(old_text)) before[field].push_back(value);
  std::vector<Change> changes;
  std::map<std::string, size_t> seen;
  for (auto& [field, value] : fields_of(new_text)) {
    size_t nth = seen[field]++;
    auto found = before.find(field);
    if (found == before.end() || nth >= found->second.size())
      changes.push_back({field, "", value});
    else if (found->second[nth] != value)
      changes.push_back({field, found->second[nth], value});
  }
  for (auto& [field, values] : before)
    for (size_t nth = seen[field]; nth < values.size(); ++nth)
      changes.push_back({field, values[nth], ""});
  return changes;
}

}  // namespace cache
