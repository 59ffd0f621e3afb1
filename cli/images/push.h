#pragma once

#include "cli/images/registries.h"
#include "cli/images/transfer.h"

namespace cli {

/// Sends an image of the store to a registry under a name and returns the digest of its manifest.
/// Layers go several at a time; what the registry has already is not sent, what another repository
/// of it has is mounted, what was never packed is packed while it is sent, and what is only known
/// to be in a registry is mounted there, or comes from there. The manifest goes last, and after it
/// what is attested of it. [spec/performance.md 2.3]
oci::Digest push_image(store::Store& store, Registries& registries, const store::ImageRecord& image,
                       const oci::Reference& destination, Packing packing,
                       const TransferOptions& options);

/// Sends one layer, packed now if it never was, and returns the blob that stands for it there.
oci::Descriptor push_layer(store::Store& store, Registries& registries,
                           const registry::Repository& repository, const oci::DiffId& id,
                           Packing packing, const TransferOptions& options);

}  // namespace cli
