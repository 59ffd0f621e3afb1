#include "overlay/packed_image.h"

#include <fcntl.h>

#include <algorithm>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/id_map.h"
#include "base/text.h"
#include "store/seek_file.h"

namespace overlay {

namespace {

constexpr uint64_t kMaxIndexBytes = uint64_t{1} << 30;
/// What all layers together keep unpacked, in chunks of 1 MiB; each keeps one.
constexpr size_t kChunksKept = 8;

}  // namespace

std::optional<layer::SeekIndex> find_seek_index(const store::Layout& layout,
                                                const oci::Digest& blob) {
  const auto text = sys::find_user_file(store::seek_index_path(layout, blob), kMaxIndexBytes);
  if (!text) return std::nullopt;
  try {
    layer::SeekIndex index = layer::SeekIndex::parse(*text);
    if (index.blob == blob) return index;
  } catch (const base::Error& e) {
    // Not synced when it was written: what a crash left of it counts as lost, and is made again.
    if (e.code() != base::Code::kCorrupt) throw;
  }
  return std::nullopt;
}

PackedImage::PackedImage(const store::Layout& layout, const std::vector<oci::Digest>& blobs) {
  for (const oci::Digest& blob : blobs) {
    auto index = find_seek_index(layout, blob);
    if (!index)
      throw base::Error(base::Code::kNotFound, "no seek index of blob " + blob.str(), "seek-index");
    sys::UniqueFd fd(::open(layout.blob(blob).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) base::throw_errno("open blob " + blob.str());
    const std::vector<layer::IndexedMember> members = std::move(index->members);
    layers_.push_back(std::make_unique<layer::SeekReader>(
        std::move(fd), *std::move(index), std::max<size_t>(1, kChunksKept / blobs.size())));
    base::with_context("layer " + blob.str(), [&] { tree_.add_layer(members); });
  }
  tree_.finish();
  tree_.map_owners(sys::read_id_map("/proc/self/uid_map"), sys::read_id_map("/proc/self/gid_map"));
}

size_t PackedImage::read(PackedTree::NodeId file, uint64_t offset, std::span<std::byte> buffer) {
  const PackedTree::Node& node = tree_.node(file);
  if (offset >= node.size) return 0;
  buffer = buffer.first(std::min<uint64_t>(buffer.size(), node.size - offset));
  layers_[node.layer]->read(node.offset + offset, buffer);
  return buffer.size();
}

}  // namespace overlay
