#include "builder/dockerfile/ignore.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/characters.h"

namespace dockerfile {

std::vector<IgnorePattern> read_ignore_file(std::string_view text, const std::string& name) {
  std::vector<IgnorePattern> out;
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  int number = 0;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (!line.empty() && line[0] == '#') continue;
    line = trim_space(line);
    if (line.empty()) continue;
    bool reinclude = line[0] == '!';
    if (reinclude) line = trim_space(line.substr(1));
    std::string pattern = line.empty() ? "" : clean_path(line);
    if (pattern.size() > 1 && pattern[0] == '/') pattern.erase(0, 1);
    out.push_back({(reinclude ? "!" : "") + pattern, number, name});
  }
  return out;
}

IgnoreMatcher::IgnoreMatcher(const std::vector<IgnorePattern>& patterns) {
  for (const IgnorePattern& source : patterns) {
    std::string_view text = trim_space(source.text);
    if (text.empty()) continue;
    std::string cleaned = clean_path(text);
    bool reinclude = cleaned[0] == '!';
    if (reinclude) cleaned.erase(0, 1);
    try {
      if (cleaned.empty()) {
        throw base::Error(base::Code::kInvalid, "\"!\" needs a pattern after it", "bad-pattern");
      }
      Rule rule{source, Glob(cleaned, Glob::Dialect::kIgnore), reinclude, {}, true};
      for (const std::string& part : base::split(cleaned, '/')) {
        if (part.find_first_of("*?[\\") != std::string::npos) {
          rule.literal_only = false;
          break;
        }
        if (!rule.literal.empty()) rule.literal += '/';
        rule.literal += part;
      }
      rules_.push_back(std::move(rule));
    } catch (base::Error& e) {
      if (source.line > 0)
        e.set_place({{source.file, source.line, source.line, 1, 0}, nullptr, "", ""});
      throw;
    }
    reincludes_ = reincludes_ || reinclude;
  }
}

IgnoreMatcher IgnoreMatcher::from_texts(const std::vector<std::string>& patterns) {
  std::vector<IgnorePattern> list;
  for (const std::string& text : patterns) list.push_back({text, 0, {}});
  return IgnoreMatcher(list);
}

bool IgnoreMatcher::matches_path_or_parent(const Rule& rule, std::string_view path) const {
  if (rule.glob.matches(path)) return true;
  for (size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1))
    if (rule.glob.matches(path.substr(0, at))) return true;
  return false;
}

bool IgnoreMatcher::ignores(std::string_view path) const {
  std::string cleaned = clean_path(path);
  if (cleaned == ".") return false;
  bool ignored = false;
  for (const Rule& rule : rules_) {
    if (rule.reinclude != ignored) continue;
    if (matches_path_or_parent(rule, cleaned)) ignored = !rule.reinclude;
  }
  return ignored;
}

IgnoreMatcher::Visit IgnoreMatcher::visit(std::string_view path, const State& parent) const {
  Visit out;
  out.state.matched.assign(rules_.size(), 0);
  for (size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    bool match = !parent.matched.empty() && parent.matched[i];
    if (!match) {
      if (rule.reinclude != out.ignored) continue;
      // Without a parent's results (a walk that starts below the root) ask the parents too.
      match = parent.matched.empty() ? matches_path_or_parent(rule, path) : rule.glob.matches(path);
    }
    out.state.matched[i] = match;
    if (match) {
      out.ignored = !rule.reinclude;
      out.pattern = static_cast<int>(i);
    }
  }
  return out;
}

bool IgnoreMatcher::may_reinclude_below(std::string_view path) const {
  auto is_parent = [](std::string_view directory, std::string_view below) {
    return below.size() > directory.size() && below.substr(0, directory.size()) == directory &&
           below[directory.size()] == '/';
  };
  for (const Rule& rule : rules_) {
    if (!rule.reinclude) continue;
    if (is_parent(path, rule.literal)) return true;
    // Past the literal part a wildcard may match anything.
    if (!rule.literal_only &&
        (rule.literal.empty() || rule.literal == path || is_parent(rule.literal, path))) {
      return true;
    }
  }
  return false;
}

}  // namespace dockerfile
