#pragma once

#include "cli/registries.h"
#include "cli/transfer.h"

namespace cli {

/// Sends an image of the store to a registry under a name and returns the digest of its manifest.
/// Layers go several at a time; what the registry has already is not sent, what another repository of
/// it has is mounted, and what was never packed is packed while it is sent. The manifest goes last.
/// [spec/performance.md 2.3]
oci::Digest push_image(store::Store& store, Registries& registries, const store::ImageRecord& image,
                       const oci::Reference& destination, Packing packing,
                       const TransferOptions& options);

}  // namespace cli
