// Any bytes as a seek index: refused, or a value that is written as it was read, and whose members
// and chunks can be asked for without harm. The checksum is put right, so that what is behind it is
// tried.
#include <fcntl.h>
#include <sys/mman.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/hash.h"
#include "overlay/packed_tree.h"
#include "store/layer/seek_reader.h"

namespace {

constexpr size_t kDigestBytes = 32;

/// The middle of a number may be written longer than need be; what is written next is the same for
/// ever.
void check(const std::string& text) {
  layer::SeekIndex index = layer::SeekIndex::parse(text);
  const std::string written = index.format();
  CHECK(layer::SeekIndex::parse(written).format() == written);
  try {
    overlay::PackedTree tree;
    tree.add_layer(index.members);
    tree.finish();
  } catch (const base::Error&) {
  }
  sys::UniqueFd blob(::memfd_create("blob", MFD_CLOEXEC));
  CHECK(blob && ::ftruncate(blob.get(), 4096) == 0);
  const uint64_t size = index.tar_bytes;
  layer::SeekReader reader(std::move(blob), std::move(index), 1);
  for (uint64_t offset : {uint64_t{0}, size / 2}) {
    std::byte byte;
    try {
      if (offset < size && size < (64 << 20)) reader.read(offset, {&byte, 1});
    } catch (const base::Error&) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  for (bool repaired : {false, true}) {
    if (repaired) {
      if (text.size() < kDigestBytes) break;
      text.resize(text.size() - kDigestBytes);
      base::Sha256 hash;
      hash.write(base::as_bytes(text));
      text += base::as_text(hash.finish());
    }
    try {
      check(text);
    } catch (const base::Error&) {
    }
  }
  return 0;
}
