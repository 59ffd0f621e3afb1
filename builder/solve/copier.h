#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "builder/context/file_tree.h"
#include "builder/dockerfile/mode.h"
#include "overlay/snapshot.h"
#include "overlay/target.h"
#include "store/layer/tree_follower.h"

namespace solve {

struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};

class LayerReuse;

struct CopyRules {
  std::optional<Owner> owner;                ///< --chown; unset: keep_owner decides
  bool keep_owner = false;                   ///< from a stage or image: as in the source, else 0:0
  std::optional<dockerfile::FileMode> mode;  ///< --chmod
  bool replace = false;  ///< --link: what is in the way is replaced, not an error
  const dockerfile::IgnoreMatcher* exclude = nullptr;  ///< relative to each copied directory
  LayerReuse* reuse = nullptr;                         ///< where unchanged files may be taken from
  layer::TreeFollower* follower = nullptr;  ///< told of all that is made, from the destination down
  bool is_read_again = true;  ///< soon, so that large files had better stay in the page cache
  std::optional<timespec> created_mtime;  ///< for directories made on the way; unset: now
};

/// Copies files of one FileTree into a snapshot: the engine of COPY and of plain ADD.
/// Errors name the destination path. One thread.
/// [spec: COPY and ADD, destination and ownership rules]
class Copier {
 public:
  /// `active`: what the targets belong to.
  Copier(context::FileTree& source, overlay::Active& active, const CopyRules& rules)
      : source_(source), active_(active), rules_(rules) {}

  /// What follows is another match: files are linked only with those of the same one.
  void begin_match() { first_links_.clear(); }
  /// Copies what is in `directory` into `target`, merging. The target keeps its own attributes.
  void copy_contents(context::Node& directory, const overlay::Target& target);
  /// Copies one file or directory as `name` into `target`; --exclude is about what a directory
  /// holds.
  void copy(context::Node& node, const overlay::Target& target, const std::string& name);
  /// The same for a match of --parents: `path` is told from the directory that --exclude is told
  /// from too, and `state` is what --exclude says of its parents.
  void copy_below(context::Node& node, const overlay::Target& target, const std::string& path,
                  const dockerfile::IgnoreMatcher::State& state);
  /// Gives a directory on the way of --parents the attributes of its source; one that was there
  /// before takes the mode only.
  void copy_parent(const context::Node& node, const overlay::Target& directory, bool is_new);

  /// Tells the follower, if there is one, of what was made and will not change any more.
  void announce(const overlay::Target& target, const std::string& name);

  /// Owner and mode for directories that a COPY must create on the way.
  overlay::Attributes created_directory() const;

 private:
  using IgnoreState = dockerfile::IgnoreMatcher::State;
  void copy_children(context::Node& directory, const overlay::Target& target,
                     const std::string& prefix, const IgnoreState& state, bool is_new);
  /// Whether --exclude keeps something below a directory that it leaves out.
  bool keeps_any(context::Node& node, const std::string& relative, const IgnoreState& state);
  /// `is_new`: the target was created for this copy, so nothing can be in the way.
  void copy_node(context::Node& node, const overlay::Target& target, const std::string& name,
                 const std::string& relative, const IgnoreState& state, bool is_new);
  void copy_directory(context::Node& node, const overlay::Target& target, const std::string& name,
                      const std::string& relative, const IgnoreState& state);
  void copy_regular(const context::Node& node, const overlay::Target& target,
                    const std::string& name);
  void copy_special(const context::Node& node, const overlay::Target& target,
                    const std::string& name);
  void link(const sys::RootedPath& first, const overlay::Target& target, const std::string& name);
  bool is_large(const context::Node& node, const sys::Xattrs& xattrs) const;
  /// Tells the follower, too.
  void copy_large(const context::Node& node, const std::string& path,
                  const overlay::Attributes& attributes, int from, int to);
  void make_room(const overlay::Target& target, const std::string& name);
  void copy_xattrs(const sys::Xattrs& xattrs, int to) const;
  overlay::Attributes attributes_of(const context::Node& node) const;
  int source_directory(const context::Node& node);

  context::FileTree& source_;
  overlay::Active& active_;
  const CopyRules& rules_;
  // Where the first of several hard links went.
  std::map<std::pair<dev_t, ino_t>, sys::RootedPath> first_links_;
  const context::Node* opened_for_ = nullptr;
  sys::UniqueFd opened_;
};

}  // namespace solve
