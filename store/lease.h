#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/sys/lock.h"
#include "store/layout.h"

namespace store {

struct Core;

/// Keeps objects from being collected while somebody works with them. Everything the same Store
/// publishes or finds (find_layer, find_cache, find_image, find_blob, Batch::commit) while a lease
/// of it lives is kept until the lease ends, whatever other processes prune or untag meanwhile.
/// A lease is a file held by flock, so that of a killed process ends by itself. Move-only; the
/// Store must outlive it. [spec/security.md 8]
class Lease {
 public:
  explicit Lease(Core& core);
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;
  ~Lease();

 private:
  Core* core_;
  uint64_t id_;
};

/// A list of objects in use, as kept in leases/ID and containers/ID/uses: one line each, "image
/// DIGEST", "layer DIFFID" or "blob DIGEST".
struct Uses {
  std::set<std::string> images;
  std::set<std::string> layers;
  std::set<std::string> blobs;
};

/// Adds the lines of a file; lines it does not know are ignored (a torn last line).
void read_uses(const std::filesystem::path& file, Uses& uses);

/// A claim on work that one process should do for all, such as fetching one blob. Released at the
/// end of its life, and by the kernel when its holder dies.
class Claim {
 public:
  /// Waits while another process holds it; `waiting` is called once before a wait.
  static Claim acquire(const Layout& layout, std::string_view name,
                       const std::function<void()>& waiting = {});
  /// nullopt while somebody else, in this process or another, holds it.
  static std::optional<Claim> try_acquire(const Layout& layout, std::string_view name);
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim&&) = delete;
  ~Claim();

 private:
  Claim(std::filesystem::path path, sys::FileLock lock);
  std::filesystem::path path_;
  std::optional<sys::FileLock> lock_;
};

}  // namespace store
