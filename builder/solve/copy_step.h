#pragma once

#include <optional>
#include <string>
#include <vector>

#include "builder/cache/definition.h"
#include "builder/context/file_tree.h"
#include "builder/plan/plan.h"
#include "overlay/snapshot.h"
#include "store/layer/tree_follower.h"

namespace solve {

/// The files of one source of a COPY or ADD.
struct Selection {
  std::string pattern;                  ///< as in the recipe, expanded
  std::vector<context::Node*> matches;  ///< links not yet followed
  /// With --parents: the directories that kept paths are told from (what stands left of the pivot).
  std::vector<context::Node*> bases;
};

/// What a COPY selects, found without reading any content. Throws NotFound naming the source and
/// why it is not there (id "copy-source-missing"). [spec: COPY and ADD, path sources]
std::vector<Selection> select(const plan::CopyStep& step, context::FileTree& files,
                              std::string_view source_name);

/// Adds the identity of exactly the selected files to a definition: names, types, modes, content.
/// Reads content that no index remembers.
void define_files(const plan::CopyStep& step, context::FileTree& files,
                  const std::vector<Selection>& selections, bool keep_owner,
                  cache::Definition& definition);

/// The identity of a file as a definition tells it: type, mode, content. [spec 9.4]
std::string file_identity(const context::FileTree& files, const context::Node& node,
                          bool keep_owner);

/// What the same COPY made in an earlier build.
struct EarlierCopy {
  std::string definition;
  overlay::TreePtr layer;
};

struct CopyOptions {
  bool keep_owner = false;  ///< files keep the owner they have in the source
  std::optional<timespec>
      created_mtime;  ///< of directories made on the way and of the destination; unset: now
  const EarlierCopy* earlier = nullptr;  ///< files that did not change since are linked
  bool is_whole_layer = false;           ///< nothing else will be in the writable layer
  bool is_read_again = true;             ///< by this build
};

/// Copies the selection into `active`. What is a whole layer is hashed meanwhile, where its
/// canonical tar can be foretold.
std::optional<layer::TreeFollower> copy_files(const plan::CopyStep& step, context::FileTree& files,
                                              const std::vector<Selection>& selections,
                                              overlay::Active& active, const CopyOptions& options);

}  // namespace solve
