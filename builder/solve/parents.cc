#include "builder/solve/parents.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "builder/dockerfile/glob.h"

namespace solve {

namespace {

using context::FileTree;
using context::Node;

void collect(FileTree& files, Node& directory, const std::string& path, const dockerfile::Glob& glob,
             std::vector<Node*>& matches) {
  for (const auto& child : files.children(directory)) {
    const std::string below = path.empty() ? child->name : path + "/" + child->name;
    if (glob.matches(below)) matches.push_back(child.get());
    else if (child->is_directory()) collect(files, *child, below, glob, matches);
  }
}

}  // namespace

std::vector<Node*> match_deep(FileTree& files, std::string_view pattern) {
  std::vector<std::string> components = sys::RootedPath(pattern).components();
  if (std::find(components.begin(), components.end(), "**") == components.end()) return files.match(pattern);
  sys::RootedPath prefix;
  size_t literal = 0;
  while (!dockerfile::has_wildcard(components[literal])) prefix = prefix.below(components[literal++]);
  components.erase(components.begin(), components.begin() + static_cast<ptrdiff_t>(literal));
  const dockerfile::Glob glob(base::join(components, "/"), dockerfile::Glob::Dialect::kIgnore);
  std::vector<Node*> matches;
  Node* start = files.find(prefix, true);
  if (start != nullptr && start->is_directory()) collect(files, *start, "", glob, matches);
  return matches;
}

void define_parents(const Node& match, cache::Definition& definition) {
  definition.add("at", match.path().str());
  for (const Node* up = match.parent; up != nullptr && up->parent != nullptr; up = up->parent)
    definition.add("parent-mode", base::str(up->st.st_mode & 07777));
}

}  // namespace solve
