#pragma once

#include <string>

#include "cli/images/registries.h"
#include "cli/images/transfer.h"

namespace cli {

/// Sends what a name of the store leads to, as push_image() does, with everything it lists where
/// that is an index: one that was pulled with all its images, or a list made by `torte manifest`.
/// Throws NotFound naming what the store lacks; returns the digest there.
oci::Digest push_index(store::Store& store, Registries& registries, const std::string& name,
                       const oci::Reference& destination, const TransferOptions& options);

}  // namespace cli
