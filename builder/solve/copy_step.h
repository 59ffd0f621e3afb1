#pragma once

#include <optional>
#include <string>
#include <vector>

#include "builder/cache/definition.h"
#include "builder/context/file_tree.h"
#include "builder/plan/plan.h"
#include "overlay/snapshot.h"

namespace solve {

/// The files of one source of a COPY or ADD.
struct Selection {
  std::string pattern;                 ///< as in the recipe, expanded
  std::vector<context::Node*> matches; ///< links not yet followed
  /// With --parents: the directories that kept paths are told from (what stands left of the pivot).
  std::vector<context::Node*> bases;
};

/// What a COPY selects, found without reading any content. Throws NotFound naming the source and why
/// it is not there (id "copy-source-missing"). [spec: COPY and ADD, path sources]
std::vector<Selection> select(const plan::CopyStep& step, context::FileTree& files,
                              std::string_view source_name);

/// Adds the identity of exactly the selected files to a definition: names, types, modes, content.
/// Reads content that no index remembers.
void define_files(const plan::CopyStep& step, context::FileTree& files,
                  const std::vector<Selection>& selections, bool keep_owner,
                  cache::Definition& definition);

/// The identity of a file as a definition tells it: type, mode, content. [spec 9.4]
std::string file_identity(const context::FileTree& files, const context::Node& node, bool keep_owner);

/// What the same COPY made in an earlier build.
struct EarlierCopy {
  std::string definition;
  overlay::TreePtr layer;
};

/// Copies the selection into `active`. `created_mtime` dates directories made on the way. Files that
/// did not change since `earlier`, if given, are linked.
void copy_files(const plan::CopyStep& step, context::FileTree& files,
                const std::vector<Selection>& selections, bool keep_owner,
                overlay::Active& active, std::optional<timespec> created_mtime,
                const EarlierCopy* earlier = nullptr);

}  // namespace solve
