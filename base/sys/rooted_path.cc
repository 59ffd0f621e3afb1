#include "base/sys/rooted_path.h"

#include "base/error.h"
#include "base/text.h"

namespace sys {

RootedPath::RootedPath(std::string_view path) {
  if (path.find('\0') != std::string_view::npos)
    throw base::Error(base::Code::kInvalid, "path contains a NUL byte", "nul-byte");
  std::vector<std::string_view> kept;
  while (!path.empty()) {
    size_t slash = path.find('/');
    std::string_view component = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(component);
    }
  }
  for (std::string_view component : kept) {
    text_ += '/';
    text_ += component;
  }
  if (text_.empty()) text_ = "/";
}

std::string_view RootedPath::name() const {
  return std::string_view(text_).substr(text_.rfind('/') + 1);
}

RootedPath RootedPath::parent() const {
  RootedPath up;
  size_t slash = text_.rfind('/');
  if (slash > 0) up.text_ = text_.substr(0, slash);
  return up;
}

std::vector<std::string> RootedPath::components() const {
  if (is_root()) return {};
  return base::split(std::string_view(text_).substr(1), '/');
}

RootedPath RootedPath::join(std::string_view path) const {
  if (!path.empty() && path[0] == '/') return RootedPath(path);
  return below(path);
}

RootedPath RootedPath::below(std::string_view path) const {
  const bool is_name = !path.empty() && path != "." && path != ".." &&
                       path.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
  if (is_name) {  // as in walks, which should not look at all that is above again
    RootedPath out = *this;
    if (!is_root()) out.text_ += '/';
    out.text_ += path;
    return out;
  }
  return RootedPath(base::str(text_, '/', path));
}

bool RootedPath::is_within(const RootedPath& ancestor) const {
  if (ancestor.is_root() || text_ == ancestor.text_) return true;
  return text_.size() > ancestor.text_.size() && text_.starts_with(ancestor.text_) &&
         text_[ancestor.text_.size()] == '/';
}

}  // namespace sys
