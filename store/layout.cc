#include "store/layout.h"

#include <sys/random.h>
#include <unistd.h>

#include <array>

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace store {

std::filesystem::path Layout::blob(const oci::Digest& digest) const {
  return blobs() / digest.algorithm() / digest.hex();
}

std::filesystem::path Layout::layer(const oci::DiffId& diff_id) const {
  return layers() / diff_id.hex();
}

std::filesystem::path Layout::partial(const oci::Digest& digest) const {
  return partials() / fetch_name(digest);
}

std::string fetch_name(const oci::Digest& digest) {
  return base::str(digest.algorithm(), "-", digest.hex());
}

std::string unique_name(std::string_view purpose) {
  std::array<std::byte, 8> random;
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    base::throw_errno("read random bytes");
  return base::str(purpose, "-", ::getpid(), "-", base::to_hex(random));
}

}  // namespace store
