#pragma once

#include <sys/stat.h>

#include <string>

#include "base/sys/root.h"
#include "store/layer/tar_reader.h"

namespace layer {

// What a file of a stored tree stands for in the layer: overlay's and torte's own attributes turned
// back. Internal to the room.

struct StoredForm {
  Entry entry;          ///< all but path, and link of hard links; size as on disk
  bool opaque = false;  ///< a directory that hides the lower one
  bool socket = false;  ///< cannot be in a layer
};

/// Takes the attributes apart: overlay's are obeyed and removed, a device or owner kept as an
/// attribute is put back, labels that belong to a host are removed. Throws Unsupported for
/// redirects and metacopies.
StoredForm stored_form(const struct stat& st, sys::Xattrs xattrs);

}  // namespace layer
