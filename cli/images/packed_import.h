#pragma once

#include "cli/images/transfer.h"

namespace cli {

/// Brings an image into the store as import_image() does, with the same checks, but leaves its
/// layers packed: their blobs are kept with an index of each, made while they pass, and are
/// unpacked when somebody needs that. Where it cannot be done the image is unpacked after all, and
/// a note says why. `place` is where the blobs can be fetched again, "host/repository", or empty.
/// [spec/lazy-pull.md L1, L2]
oci::Digest import_packed(store::Store& store, const IncomingImage& image,
                          const std::vector<oci::Reference>& names, const std::string& place,
                          const TransferOptions& options);
/// The same for an image of a layout.
oci::Digest import_packed(store::Store& store, const archive::ImageLayout& layout,
                          const archive::FoundImage& image,
                          const std::vector<oci::Reference>& names, const TransferOptions& options);

}  // namespace cli
