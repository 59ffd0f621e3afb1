#include "runner/launch/stub_layer.h"

#include <fcntl.h>

#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/tree.h"
#include "runner/launch/launch.h"

namespace launch {

sys::UniqueFd open_stub_layer(const std::filesystem::path& directory) {
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  static std::mutex mutex;  // steps of one build start at once
  std::lock_guard lock(mutex);
  sys::UniqueFd ready(::open(directory.c_str(), kFlags));
  if (ready) return ready;
  if (errno != ENOENT) base::throw_errno("open " + directory.string());
  // Filled under another name first: whoever finds the directory finds it complete.
  std::filesystem::path fresh = directory.string() + "." + std::to_string(::getpid());
  sys::make_directories(fresh, 0755);
  sys::UniqueFd fd(::open(fresh.c_str(), kFlags));
  if (!fd) base::throw_errno("open " + fresh.string());
  fill_stub_layer(fd.get());
  if (::rename(fresh.c_str(), directory.c_str()) == 0) return fd;
  if (errno != EEXIST && errno != ENOTEMPTY) base::throw_errno("create " + directory.string());
  sys::remove_tree(fresh);  // another process was faster
  ready = sys::UniqueFd(::open(directory.c_str(), kFlags));
  if (!ready) base::throw_errno("open " + directory.string());
  return ready;
}

}  // namespace launch
