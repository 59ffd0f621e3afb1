#include "store/layer/tar_digest.h"

#include <isa-l/crc.h>

#include <optional>

namespace layer {

void Checksum::write(base::Bytes bytes) {
  crc32_ =
      crc32_gzip_refl(crc32_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  count_ += bytes.size();
}

void TarHasher::write(base::Bytes bytes) {
  sha256_.write(bytes);
  checksum_.write(bytes);
}

TarDigest TarHasher::finish() {
  return {oci::DiffId(oci::Digest::from_sha256(sha256_.finish())), checksum_.count(),
          checksum_.crc32()};
}

TarDigest tar_digest(const sys::Root& tree, const WriteOptions& options, base::Sink* also) {
  TarHasher hasher;
  std::optional<base::TeeSink> both;
  if (also != nullptr) both.emplace(hasher, *also);
  WriteResult written = write_tree(tree, both ? static_cast<base::Sink&>(*both) : hasher, options);
  TarDigest digest = hasher.finish();
  // Sockets are left out too, and nobody misses them.
  for (std::string& path : written.skipped)
    if (path.substr(path.rfind('/') + 1).starts_with(".wh."))
      digest.left_out.push_back(std::move(path));
  return digest;
}

}  // namespace layer
