#include "store/lease.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "store/core.h"

namespace store {

namespace {

using sys::FileLock;

// Whoever removes a lock file holds it; a lock on a file that was removed meanwhile locks nothing.
bool is_still_there(const FileLock& lock) {
  struct stat st;
  if (::fstat(lock.fd(), &st) < 0) base::throw_errno("stat lock file");
  return st.st_nlink > 0;
}

LeaseFile make_lease_file(const Layout& layout) {
  for (;;) {
    std::filesystem::path path = layout.leases() / unique_name("lease");
    FileLock lock = FileLock::acquire(path, FileLock::Mode::kExclusive);
    if (is_still_there(lock)) return {std::move(path), std::move(lock), {}};
  }
}

}  // namespace

Lease::Lease(Core& core) : core_(&core) {
  core.require_writable();
  LeaseFile file = make_lease_file(core.layout);
  auto leases = core.leases.lock();
  id_ = leases->empty() ? 1 : leases->rbegin()->first + 1;
  leases->emplace(id_, std::move(file));
}

Lease::Lease(Lease&& other) noexcept : core_(std::exchange(other.core_, nullptr)), id_(other.id_) {}

Lease::~Lease() {
  if (core_ == nullptr) return;
  auto leases = core_->leases.lock();
  auto position = leases->find(id_);
  ::unlink(position->second.path.c_str());
  leases->erase(position);
}

void read_uses(const std::filesystem::path& file, Uses& uses) {
  constexpr uint64_t kLimit = 64 << 20;
  const std::optional<std::string> text = sys::find_user_file(file, kLimit);
  if (!text) return;
  for (const std::string& line : base::split(*text, '\n')) {
    if (line.starts_with("image ")) {
      uses.images.insert(line.substr(6));
      uses.blobs.insert(line.substr(6));  // its configuration
    }
    if (line.starts_with("layer ")) uses.layers.insert(line.substr(6));
    if (line.starts_with("blob ")) uses.blobs.insert(line.substr(5));
  }
}

Keeper::Keeper(Core& core, bool always) : core_(core) {
  if (!core.writable) return;
  active_ = !core.leases.lock()->empty();
  if (active_ || always) lock_ = FileLock::acquire(core.layout.gc_lock(), FileLock::Mode::kShared);
}

void Keeper::add(std::string line) {
  if (!active_) return;
  auto leases = core_.leases.lock();
  for (auto& [id, file] : *leases)
    if (file.lines.insert(line).second)
      sys::write_all(file.lock.fd(), base::as_bytes(line), file.path.string());
}

void Keeper::image(const ImageRecord& image) {
  if (!active_) return;
  add(base::str("image ", image.id.str(), "\n"));
  if (image.manifest) blob(*image.manifest);
  for (const oci::Digest& each : image.blobs) blob(each);
  for (const oci::DiffId& layer : image.layers) this->layer(layer);
}

void Keeper::layer(const oci::DiffId& diff_id) { add(base::str("layer ", diff_id.str(), "\n")); }

void Keeper::blob(const oci::Digest& digest) { add(base::str("blob ", digest.str(), "\n")); }

Claim::Claim(std::filesystem::path path, FileLock lock)
    : path_(std::move(path)), lock_(std::move(lock)) {}

Claim::Claim(Claim&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::move(other.lock_)) {
  other.lock_.reset();
}

Claim Claim::acquire(const Layout& layout, std::string_view name,
                     const std::function<void()>& waiting) {
  const std::filesystem::path path = layout.locks() / name;
  for (bool told = false;;) {
    std::optional<FileLock> lock = FileLock::try_acquire(path, FileLock::Mode::kExclusive);
    if (!lock) {
      if (waiting && !told) waiting();
      told = true;
      lock = FileLock::acquire(path, FileLock::Mode::kExclusive);
    }
    if (is_still_there(*lock)) return Claim(path, std::move(*lock));
  }
}

std::optional<Claim> Claim::try_acquire(const Layout& layout, std::string_view name) {
  const std::filesystem::path path = layout.locks() / name;
  for (;;) {
    std::optional<FileLock> lock = FileLock::try_acquire(path, FileLock::Mode::kExclusive);
    if (!lock) return std::nullopt;
    if (is_still_there(*lock)) return Claim(path, std::move(*lock));
  }
}

Claim::~Claim() {
  if (lock_) ::unlink(path_.c_str());
}

}  // namespace store
