#include "builder/solve/explanation.h"

#include <algorithm>

#include "base/text.h"
#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/git_reference.h"

namespace solve {

namespace {

using base::event::CacheMiss;

constexpr size_t kMostChanges = 100;

// "NAME=value" of a variable that is nobody's business.
std::string shown(const std::string& field, const std::string& value) {
  const size_t equals = value.find('=');
  if (field.starts_with("env ") && equals != std::string::npos &&
      dockerfile::looks_secret(value.substr(0, equals)))
    return value.substr(0, equals) + "=(hidden)";
  return dockerfile::words_without_userinfo(value);
}

}  // namespace

std::vector<CacheMiss> explain_miss(int step, std::string_view forced,
                                    const std::optional<store::CacheRecord>& before,
                                    const cache::Definition& definition) {
  if (!forced.empty()) return {{step, std::string(forced), "", "", ""}};
  if (!before) return {{step, "never built here", "", "", ""}};
  std::vector<CacheMiss> misses;
  const std::vector<cache::Change> changes = cache::compare(before->definition, definition.text());
  for (const cache::Change& change : changes) {
    if (misses.size() == kMostChanges) break;
    misses.push_back({step, "changed input", change.field, shown(change.field, change.old_value),
                      shown(change.field, change.new_value)});
  }
  if (changes.empty()) misses.push_back({step, "its result is gone", "", "", ""});
  if (changes.size() > kMostChanges)
    misses.push_back(
        {step, base::str(changes.size() - kMostChanges, " more changed inputs"), "", "", ""});
  return misses;
}

}  // namespace solve
