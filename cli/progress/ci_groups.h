#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace cli {

/// Folding marks that CI systems look for in plain output. Each function returns whole lines.
class CiGroups {
 public:
  enum class Kind { kNone, kGithub, kGitlab, kBuildkite, kTeamcity };

  explicit CiGroups(Kind kind = Kind::kNone) : kind_(kind) {}
  /// Chosen by GITHUB_ACTIONS, GITLAB_CI, BUILDKITE, TEAMCITY_VERSION. `getenv` may be null.
  static CiGroups detect(const char* (*getenv)(const char*));

  /// The header line `title` of group `number`, marked. `wall` is the time of day.
  std::string open(std::string_view title, int number, std::chrono::seconds wall) const;
  std::string close(std::string_view title, int number, std::chrono::seconds wall,
                    bool failed) const;

 private:
  Kind kind_;
};

}  // namespace cli
