#include "builder/plan/scope.h"

#include <algorithm>

#include "base/text.h"

namespace plan {

void Variables::set(std::string_view name, std::string value) {
  if (auto known = places_.find(name); known != places_.end()) {
    values_[known->second].second = std::move(value);
    return;
  }
  places_.emplace(name, values_.size());
  values_.emplace_back(name, std::move(value));
}

void Variables::remove(std::string_view name) {
  auto known = places_.find(name);
  if (known == places_.end()) return;
  const size_t place = known->second;
  values_.erase(values_.begin() + static_cast<ptrdiff_t>(place));
  places_.erase(known);
  for (auto& [other, position] : places_) position -= position > place ? 1 : 0;
}

std::optional<std::string> Variables::find(std::string_view name) const {
  auto known = places_.find(name);
  if (known == places_.end()) return std::nullopt;
  return values_[known->second].second;
}

std::vector<std::string> Variables::as_environment() const {
  std::vector<std::string> environment;
  for (const auto& [name, value] : values_) environment.push_back(name + "=" + value);
  return environment;
}

std::vector<std::string> Variables::names() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : values_) names.push_back(name);
  return names;
}

Variables from_environment(const std::vector<std::string>& environment) {
  Variables variables;
  for (const std::string& line : environment) {
    size_t equals = line.find('=');
    variables.set(line.substr(0, equals),
                  equals == std::string::npos ? "" : line.substr(equals + 1));
  }
  return variables;
}

void Globals::add_automatic(const oci::Platform& target, const oci::Platform& build,
                            const std::string& target_stage) {
  auto add = [&](const std::string& prefix, const oci::Platform& platform) {
    std::pair<const char*, std::string> parts[] = {{"PLATFORM", platform.str()},
                                                   {"OS", platform.os},
                                                   {"ARCH", platform.architecture},
                                                   {"VARIANT", platform.variant},
                                                   {"OSVERSION", platform.os_version}};
    for (auto& [suffix, value] : parts) arguments.set(prefix + suffix, std::move(value));
  };
  add("TARGET", target);
  add("BUILD", build);
  arguments.set("TARGETSTAGE", target_stage);
  for (const auto& [name, value] : build_args)
    if (arguments.find(name)) arguments.set(name, value);
}

bool is_proxy(std::string_view name) {
  static const std::set<std::string, std::less<>> kNames = {"HTTP_PROXY", "HTTPS_PROXY",
                                                            "FTP_PROXY", "NO_PROXY", "ALL_PROXY"};
  return kNames.contains(base::to_upper(name));
}

std::vector<std::string> proxy_environment(const std::map<std::string, std::string>& build_args) {
  std::vector<std::string> environment;
  for (const auto& [name, value] : build_args) {
    if (!is_proxy(name)) continue;
    environment.push_back(base::to_upper(name) + "=" + value);
    environment.push_back(base::to_lower(name) + "=" + value);
  }
  return environment;
}

}  // namespace plan
