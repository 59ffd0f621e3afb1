#pragma once

#include <functional>
#include <stop_token>

#include "base/bytes.h"
#include "overlay/snapshot.h"
#include "store/layer/limits.h"

namespace overlay {

struct UnpackOptions {
  layer::Limits limits;
  std::stop_token stop;
};

/// A layer unpacked into a staging directory, not yet published.
struct Unpacked {
  TreePtr tree;
  uint64_t disk_bytes = 0;  ///< about what the tree takes
  /// The tree took metadata or files from the layers below: it is right only above them.
  bool depends_on_lower = false;
};

/// Unpacks the uncompressed tar of a layer. `below` gives the layers below, which may still be on
/// their way: it is called when, and only if, the tar leaves something open (parents without an
/// entry, hard links into lower layers), at most once; null: there is nothing below. Reads `tar` to
/// its end; throws what layer::extract throws, and then leaves nothing behind.
Unpacked unpack_layer(store::Store& store, base::Source& tar, const std::function<Stack()>& below,
                      const UnpackOptions& options);

}  // namespace overlay
