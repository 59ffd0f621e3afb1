#pragma once

#include <memory>

#include "store/archive/file_set.h"
#include "store/archive/image_layout.h"

namespace archive {

/// A bundle with manifest.json, as `docker save` writes: made to look like an OCI layout. An
/// uncompressed layer is described by its diff id, so it is read only once, when it is used.
/// Throws Invalid, Corrupt.
std::unique_ptr<ImageLayout> docker_archive(std::unique_ptr<FileSet> files);

}  // namespace archive
