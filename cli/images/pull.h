#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "store/oci/platform.h"

namespace cli {

/// How much of an image is brought now.
enum class PullExtent {
  kWhole,      ///< everything, unpacked
  kPacked,     ///< everything; its layers stay packed (cli/images/packed_import.h)
  kDocuments,  ///< its layers come when they are needed (cli/images/known_layers.h), where that is
               ///< safe
};

/// Brings the image that a name leads to into the store, under that name, and returns its id. What
/// the store has already is not fetched. The name is looked up once; everything after is by digest.
/// [spec/performance.md 2.4, spec/security.md 7]
oci::Digest pull_image(store::Store& store, Registries& registries, const oci::Reference& reference,
                       const oci::Platform& platform, const TransferOptions& options,
                       PullExtent extent);

/// Brings what a name leads to whole: of an index every image, this machine's under the name, and
/// what else it lists. Returns the ids of the images, this machine's first. `packed`: as
/// PullExtent::kPacked.
std::vector<oci::Digest> pull_all_platforms(store::Store& store, Registries& registries,
                                            const oci::Reference& reference,
                                            const TransferOptions& options, bool packed);

}  // namespace cli
