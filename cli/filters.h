#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/options.h"

namespace cli {

/// The --filter flags of a list: values of one key are alternatives, all keys must agree.
template <typename Line>
class Filters {
 public:
  using Predicate = std::function<bool(const Line&)>;

  /// `make(key, value)` gives the Predicate of one flag, or throws UsageError. So does a flag
  /// without "=".
  template <typename Make>
  Filters(const std::vector<std::string>& flags, const Make& make) {
    for (const std::string& flag : flags) {
      const size_t equals = flag.find('=');
      if (equals == std::string::npos)
        throw UsageError("--filter wants KEY=VALUE, not " + base::printable(flag));
      const std::string key = flag.substr(0, equals);
      keys_[key].push_back(make(key, flag.substr(equals + 1)));
    }
  }

  bool pass(const Line& line) const {
    return std::all_of(keys_.begin(), keys_.end(), [&](const auto& key) {
      return std::any_of(key.second.begin(), key.second.end(),
                         [&](const Predicate& predicate) { return predicate(line); });
    });
  }

 private:
  std::map<std::string, std::vector<Predicate>> keys_;
};

}  // namespace cli
