#include "store/layer/member_path.h"

#include "base/error.h"
#include "base/text.h"

namespace layer {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

[[noreturn]] void invalid_path(const std::string& rule) {
  throw base::Error(base::Code::kInvalid, rule, "layer-path");
}

[[noreturn]] void invalid_entry(const std::string& rule) {
  throw base::Error(base::Code::kInvalid, rule, "layer-entry");
}

}  // namespace

std::vector<std::string> path_components(std::string_view path, bool may_climb) {
  std::vector<std::string> components;
  for (std::string& component : base::split(path, '/')) {
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      if (components.empty() && !may_climb) invalid_path("the path climbs above the root");
      if (!components.empty()) components.pop_back();
      continue;
    }
    if (component.size() > kMaxNameBytes)
      invalid_path(
          base::str("a name of ", component.size(), " bytes, the limit is ", kMaxNameBytes));
    components.push_back(std::move(component));
  }
  return components;
}

MarkedName parse_marked_name(std::string name) {
  if (!name.starts_with(kWhiteout)) return {MarkedName::Kind::kPlain, std::move(name)};
  if (name == kOpaque) return {MarkedName::Kind::kOpaque, {}};
  std::string hidden = name.substr(kWhiteout.size());
  if (hidden.empty() || hidden == "." || hidden == "..")
    invalid_entry("a whiteout must name something in its own directory");
  if (hidden.starts_with(kWhiteout)) invalid_entry("unknown kind of whiteout");
  return {MarkedName::Kind::kWhiteout, std::move(hidden)};
}

void require_plain_parents(std::string_view path) {
  size_t at = path.find(kWhiteout);
  if (at == std::string_view::npos) return;
  size_t last = path.find_last_not_of('/');
  last = path.rfind('/', last);
  for (; at != std::string_view::npos; at = path.find(kWhiteout, at + 1)) {
    bool starts_name = at == 0 || path[at - 1] == '/';
    if (starts_name && last != std::string_view::npos && at < last)
      invalid_entry("a directory name is reserved for whiteouts");
  }
}

void follow_link(std::string_view target, std::vector<std::string>& rest, int& links) {
  if (++links > kMaxLinks) invalid_path("too many symbolic links");
  std::vector<std::string> parts = base::split(target, '/');
  rest.insert(rest.end(), parts.rbegin(), parts.rend());
  if (target.starts_with('/')) rest.push_back("/");
}

}  // namespace layer
