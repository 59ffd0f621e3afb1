#pragma once

#include "builder/context/file_tree.h"
#include "builder/solve/copier.h"
#include "overlay/snapshot.h"

namespace solve {

/// If `node` is a tar archive (plain or compressed, decided by content), unpacks it into
/// `destination` and returns true; otherwise does nothing. [spec: ADD, local archives]
bool unpack_archive(context::FileTree& files, const context::Node& node, overlay::Active& active,
                    const sys::RootedPath& destination, const CopyRules& rules);

}  // namespace solve
