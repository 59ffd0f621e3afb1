#pragma once

#include <memory>

#include "base/bytes.h"
#include "store/oci/descriptor.h"
#include "store/registry/client.h"

namespace registry {

/// The bytes of a blob from `offset` on, as Repository::open_blob() promises them. `ask` is the
/// request for the whole blob.
///
/// A large blob is asked for in ranges: a first one tells how fast one connection is. Where that is
/// slower than the line may be, several pieces come at the same time, each over a connection of its
/// own, and wait in memory for their turn: never more than some 20 MiB for all blobs of a client. A
/// registry that does not do what a range says is asked for the whole, once. [spec/cli.md 3]
std::unique_ptr<base::Source> open_blob_source(Client& client, Client::Ask ask,
                                               const oci::Descriptor& blob, uint64_t offset);

}  // namespace registry
