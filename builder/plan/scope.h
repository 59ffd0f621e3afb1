#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "builder/dockerfile/word.h"
#include "store/oci/platform.h"

namespace plan {

/// Variables in the order they were first set; a later value replaces an earlier one in place.
class Variables {
 public:
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
  std::optional<std::string> find(std::string_view name) const;
  std::vector<std::string> as_environment() const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return values_; }
  std::vector<std::string> names() const;
  /// An ARG without a value: not set, but no mistake to name.
  void declare(std::string_view name) { declared_.emplace(name); }
  bool is_declared(std::string_view name) const {
    return all_declared_ || declared_.contains(name);
  }
  /// The base image is not known, so any name may be set there.
  void declare_all() { all_declared_ = true; }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
  std::map<std::string, size_t, std::less<>> places_;  // of each name in values_
  std::set<std::string, std::less<>> declared_;
  bool all_declared_ = false;
};

/// Splits "NAME=value" lists of an image configuration.
Variables from_environment(const std::vector<std::string>& environment);

/// What the whole recipe shares: --build-arg values, automatic arguments, global ARGs. [spec A1-A6]
struct Globals {
  Variables arguments;                            ///< visible in FROM, and to `ARG name`
  std::map<std::string, std::string> build_args;  ///< as given on the command line
  std::set<std::string> used_build_args;          ///< declared by some ARG

  /// TARGETPLATFORM and the rest (A2), build arguments applied.
  void add_automatic(const oci::Platform& target, const oci::Platform& build,
                     const std::string& target_stage);
};

/// Proxy variables among build arguments that need no ARG (A6), in both spellings of the name.
std::vector<std::string> proxy_environment(const std::map<std::string, std::string>& build_args);
bool is_proxy(std::string_view name);

}  // namespace plan
