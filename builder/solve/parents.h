#pragma once

#include <string_view>
#include <vector>

#include "builder/cache/definition.h"
#include "builder/context/file_tree.h"

/// What `COPY --parents` does otherwise than COPY. [spec/dockerfile.md 7.4]
namespace solve {

/// Nodes that match the pattern, in which `**` stands for any number of directories; what is below a
/// match is not asked. A pattern without wildcards names one node, or none.
std::vector<context::Node*> match_deep(context::FileTree& files, std::string_view pattern);

/// Adds where a match lies, and the modes of the directories that come with it.
void define_parents(const context::Node& match, cache::Definition& definition);

}  // namespace solve
