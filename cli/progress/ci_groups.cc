#include "cli/progress/ci_groups.h"

#include "base/text.h"

namespace cli {

using base::str;

namespace {

// TeamCity's service messages: | is the escape character.
std::string teamcity_escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '|' || c == '\'' || c == '[' || c == ']') out += '|';
    out += c;
  }
  return out;
}

}  // namespace

CiGroups CiGroups::detect(const char* (*getenv)(const char*)) {
  auto is_set = [&](const char* name) {
    const char* value = getenv == nullptr ? nullptr : getenv(name);
    return value != nullptr && *value != '\0' && std::string_view(value) != "false";
  };
  if (is_set("GITHUB_ACTIONS")) return CiGroups(Kind::kGithub);
  if (is_set("GITLAB_CI")) return CiGroups(Kind::kGitlab);
  if (is_set("BUILDKITE")) return CiGroups(Kind::kBuildkite);
  if (is_set("TEAMCITY_VERSION") || is_set("TEAMCITY")) return CiGroups(Kind::kTeamcity);
  return CiGroups();
}

std::string CiGroups::open(std::string_view title, int number, std::chrono::seconds wall) const {
  switch (kind_) {
    case Kind::kGithub:
      return str("::group::", title, "\n");
    case Kind::kGitlab:
      return str("\x1b[0Ksection_start:", wall.count(), ":torte_step_", number, "\r\x1b[0K", title,
                 "\n");
    case Kind::kBuildkite:
      return str("--- ", title, "\n");
    case Kind::kTeamcity:
      return str("##teamcity[blockOpened name='", teamcity_escape(title), "']\n");
    case Kind::kNone:
      break;
  }
  return str(title, "\n");
}

std::string CiGroups::close(std::string_view title, int number, std::chrono::seconds wall,
                            bool failed) const {
  switch (kind_) {
    case Kind::kGithub:
      return "::endgroup::\n";
    case Kind::kGitlab:
      return str("\x1b[0Ksection_end:", wall.count(), ":torte_step_", number, "\r\x1b[0K\n");
    case Kind::kBuildkite:
      return failed ? "^^^ +++\n" : "";  // unfolds the group it ends
    case Kind::kTeamcity:
      return str("##teamcity[blockClosed name='", teamcity_escape(title), "']\n");
    case Kind::kNone:
      break;
  }
  return {};
}

}  // namespace cli
