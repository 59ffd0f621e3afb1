#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/sys/root.h"
#include "store/layer/tar_digest.h"

namespace overlay {

/// Copies everything below a merged directory into another one: owners, modes, times, attributes,
/// hard links. What is there is kept, or replaced where the names are the same; the two
/// directories' own owner and mode are left to the caller. Sockets and files whose name begins with
/// ".wh." are left out. Throws SystemError, Unavailable when a file changes meanwhile. With `owner`
/// everything belongs to it instead.
void copy_tree(const sys::Root& from, const sys::Root& to,
               std::optional<std::pair<uint32_t, uint32_t>> owner = {});

/// Copies a tree in overlay's own form (whiteouts, opaque marks), or a `plain` one (a merged view),
/// into an empty directory, and returns the hash of its canonical tar.
layer::TarDigest copy_layer(const sys::Root& from, const sys::Root& to, const sys::Root* below,
                            bool plain);

}  // namespace overlay
