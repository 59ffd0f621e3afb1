#pragma once

#include <optional>
#include <string>

#include "cli/registries.h"
#include "cli/transfer.h"
#include "store/oci/platform.h"

namespace cli {

/// Brings the image that a name leads to into the store, under that name, and returns its id. What
/// the store has already is not fetched. The name is looked up once; everything after is by digest.
/// [spec/performance.md 2.4, spec/security.md 7]
oci::Digest pull_image(store::Store& store, Registries& registries, const oci::Reference& reference,
                       const oci::Platform& platform, const TransferOptions& options);
/// The same, but its layers come when they are needed (cli/known_layers.h), where that is safe.
oci::Digest pull_image_later(store::Store& store, Registries& registries,
                             const oci::Reference& reference, const oci::Platform& platform,
                             const TransferOptions& options);

}  // namespace cli
