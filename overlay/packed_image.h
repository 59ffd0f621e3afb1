#pragma once

#include <memory>
#include <span>
#include <vector>

#include "overlay/packed_tree.h"
#include "store/layer/seek_reader.h"
#include "store/store.h"

namespace overlay {

/// An image whose layers are in the store as blobs, ready to be read: what PackedMount's server
/// shows. Any number of threads.
class PackedImage {
 public:
  /// The blobs of the layers, the bottom one first, whose indexes must be in the store. Throws
  /// NotFound, Corrupt, what PackedTree throws, and Unsupported for owners that this user namespace
  /// cannot show.
  PackedImage(const store::Layout& layout, const std::vector<oci::Digest>& blobs);

  const PackedTree& tree() const { return tree_; }
  /// Reads from a file, from an offset that lies in it; less than asked for only at its end. Throws
  /// Corrupt, SystemError.
  size_t read(PackedTree::NodeId file, uint64_t offset, std::span<std::byte> buffer);

 private:
  PackedTree tree_;
  std::vector<std::unique_ptr<layer::SeekReader>> layers_;
};

/// The index of a blob, if the store has it whole and it is of that blob.
std::optional<layer::SeekIndex> find_seek_index(const store::Layout& layout,
                                                const oci::Digest& blob);

}  // namespace overlay
