#pragma once

#include <chrono>

#include "cli/build/packages.h"
#include "cli/images/attestation.h"

namespace cli {

/// What is in an image, as an SPDX 2.3 document: the packages that package managers installed in
/// it. `name` is what the image is called. Same arguments, same bytes.
/// [spdx.github.io/spdx-spec/v2.3]
Predicate make_sbom(const Inventory& inventory, const std::string& name, const oci::Digest& image,
                    std::chrono::sys_seconds created);

}  // namespace cli
