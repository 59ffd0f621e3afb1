#pragma once

#include "cli/build/build_metadata.h"
#include "cli/images/attestation.h"

namespace cli {

/// How an image came to be, as SLSA provenance v1: recipe, context, target, platform, names of
/// build arguments, and the base images and downloads by digest. `whole` (mode=max) adds the
/// recipe's text. Neither secrets nor values of build arguments, nor users of addresses.
/// [slsa.dev/spec/v1.0/provenance]
Predicate make_provenance(const BuildFacts& facts, const BuildTarget& target,
                          const oci::Platform& platform, bool whole);

}  // namespace cli
