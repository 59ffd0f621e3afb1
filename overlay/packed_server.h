#pragma once

#include "overlay/packed_image.h"

namespace overlay {

/// Answers the kernel's questions about a packed image, until its last mount is gone or SIGTERM
/// comes. `fuse` is the descriptor that the file system was made with (PackedMount). `ready` is
/// called when it can no longer fail. What cannot be read is told to the system log, and to the
/// reader as EIO.
void serve_packed_image(PackedImage& image, int fuse, const std::function<void()>& ready);

}  // namespace overlay
