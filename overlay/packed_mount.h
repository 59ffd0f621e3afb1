#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "overlay/snapshot.h"
#include "store/store.h"

namespace overlay {

/// The hidden command by which torte starts itself as the server of a packed image: descriptor of
/// the file system, descriptor to report to, blobs of the layers, the bottom one first. The
/// command's part is run_packed_server().
inline constexpr const char* kPackedServerCommand = "image-server";

/// The blobs that an image's layers are in, the bottom one first, when all of them are in the store
/// and some are not unpacked; nullopt: there is nothing to serve. Makes seek indexes that are
/// missing, which reads those blobs once.
std::optional<std::vector<oci::Digest>> find_packed_layers(store::Store& store,
                                                           const std::vector<oci::DiffId>& layers);

/// Whether this process may make such a file system as mount_packed_image() wants.
bool can_serve_packed();

/// An image's files out of its blobs: a detached mount, read-only, served by a process of its own
/// that ends with its last mount. Throws Unsupported (id "no-fuse") where the kernel or a policy
/// does not let us, and what the server could not do.
sys::UniqueFd mount_packed_image(const store::Store& store, const std::vector<oci::Digest>& blobs);

/// open_stack() for those who only mount it: an image that is packed is served instead of unpacked,
/// where that can be done.
Stack open_lowers(store::Store& store, const std::vector<oci::DiffId>& layers);

/// The server: goes on in a process of its own, reports "ok" or what is wrong, and stays until the
/// mount is gone. Returns an exit status.
int run_packed_server(const store::Layout& layout, const std::vector<std::string>& words);

}  // namespace overlay
