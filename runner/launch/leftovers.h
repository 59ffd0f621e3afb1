#pragma once

#include <sys/types.h>

#include <optional>

namespace launch {

/// Ends what is left of a container whose processes neither a pid namespace nor a cgroup of its own
/// holds together (--pid host and container: where there are no cgroups): whatever lives in its
/// mount namespace. When dropped, or by end(). Move-only.
class Leftovers {
 public:
  /// Of the container whose launcher is `pid`: the program may end before anybody looks.
  explicit Leftovers(pid_t pid);
  Leftovers(Leftovers&& other) noexcept : mount_namespace_(other.mount_namespace_) {
    other.mount_namespace_.reset();
  }
  Leftovers& operator=(Leftovers&&) = delete;
  ~Leftovers() { end(); }
  void end();
  /// They live on.
  void release() { mount_namespace_.reset(); }

 private:
  std::optional<ino_t> mount_namespace_;
};

}  // namespace launch
