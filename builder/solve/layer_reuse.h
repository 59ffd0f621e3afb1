#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/sys/root.h"
#include "builder/context/file_tree.h"
#include "overlay/snapshot.h"

namespace solve {

/// Takes unchanged files of a COPY from the layer that the same COPY made before: a hard link costs
/// neither reading nor space. Layers are immutable, so sharing files among them is as safe as
/// sharing the layers. A file is taken only when its content and all its attributes are what a copy
/// would have; everything else is left to the copier. One thread.
class LayerReuse {
 public:
  /// `definition` told what went into `layer` (its "file" lines); `destination` is where, resolved.
  LayerReuse(std::string_view definition, overlay::TreePtr layer, sys::RootedPath destination);

  /// Links the old file in as `name` of `target`, if there is one just like it.
  bool link(const context::Node& node, const context::FileTree& files,
            const overlay::Attributes& wanted, const overlay::Target& target,
            const std::string& name);

 private:
  const std::string* identity_before(const sys::RootedPath& path) const;
  int directory_before(const sys::RootedPath& path);

  overlay::TreePtr layer_;
  sys::Root root_;
  sys::RootedPath destination_;
  std::string prefix_;                                       // of names below the destination
  std::unordered_map<std::string, std::string> identities_;  // by name; empty: ambiguous
  std::unordered_set<ino_t> taken_;
  std::optional<sys::RootedPath> opened_for_;
  sys::UniqueFd opened_;
};

}  // namespace solve
