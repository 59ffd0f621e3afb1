#pragma once

#include "base/events.h"
#include "cli/build/build_metadata.h"
#include "cli/images/attestation.h"

namespace cli {

/// Keeps with each image of the build what was asked for, before it leaves. What is missing in it
/// is told to `events`.
void attest_images(const AttestOptions& options, const BuildFacts& facts, base::EventSink& events);

}  // namespace cli
