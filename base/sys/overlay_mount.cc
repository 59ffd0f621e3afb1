#include "base/sys/overlay_mount.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/sys/mount.h"
#include "base/text.h"

namespace sys {

namespace {

constexpr size_t kMaxLowers = 500;  // OVL_MAX_STACK
// Before Linux 6.5 overlayfs takes all its options as one text of at most a page.
constexpr size_t kOptionPage = 4000;

// What the kernel was seen to do once is not tried again.
enum class Support { kUnknown, kYes, kNo };
std::atomic<Support> lower_by_lower{Support::kUnknown};

std::string fd_path(int fd) { return base::str("/proc/self/fd/", fd); }

void set_common(FsContext& context, const OverlayOptions& options, bool short_names) {
  auto name = [&](int fd) { return short_names ? std::to_string(fd) : fd_path(fd); };
  context.set_string("source", "overlay");
  context.set_string("index", "off");
  context.set_string("metacopy", "off");
  // "nofollow" is "off" that also ignores redirects found in layers; with userxattr nothing else is
  // accepted.
  context.set_string("redirect_dir", "nofollow");
  context.set_string("xino", "auto");
  if (options.userxattr) context.set_flag("userxattr");
  if (options.upper < 0) return;
  context.set_string("upperdir", name(options.upper));
  context.set_string("workdir", name(options.work));
  if (options.is_volatile) context.set_flag("volatile");
}

/// One "lowerdir+" for each layer (Linux 6.8 and later); no fd when the kernel does not know it.
UniqueFd mount_lower_by_lower(const OverlayOptions& options, const std::vector<int>& lowers) {
  FsContext context("overlay");
  for (int lower : lowers) {
    if (!context.try_set_string("lowerdir+", fd_path(lower))) return UniqueFd();
  }
  set_common(context, options, false);
  return context.mount(0);
}

UniqueFd mount_one_text(const OverlayOptions& options, const std::vector<int>& lowers,
                        bool short_names) {
  std::string text;
  for (int lower : lowers) {
    if (!text.empty()) text += ':';
    text += short_names ? std::to_string(lower) : fd_path(lower);
  }
  FsContext context("overlay");
  context.set_string("lowerdir", text);
  set_common(context, options, short_names);
  return context.mount(0);
}

/// Layers named by bare numbers, relative to /proc/self/fd. The working directory belongs to the
/// whole process, so a thread of its own gives up sharing it first.
UniqueFd mount_with_short_names(const OverlayOptions& options, const std::vector<int>& lowers) {
  UniqueFd mount;
  std::exception_ptr failure;
  std::thread worker([&] {
    try {
      if (::unshare(CLONE_FS) < 0) base::throw_errno("unshare working directory");
      if (::chdir("/proc/self/fd") < 0) base::throw_errno("change to /proc/self/fd");
      mount = mount_one_text(options, lowers, true);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  worker.join();
  if (failure) std::rethrow_exception(failure);
  return mount;
}

UniqueFd mount_by_text(const OverlayOptions& options, const std::vector<int>& lowers) {
  size_t length = 0;
  for (int lower : lowers) length += fd_path(lower).size() + 1;
  constexpr size_t kOtherOptions = 200;
  if (length + kOtherOptions < kOptionPage) return mount_one_text(options, lowers, false);
  return mount_with_short_names(options, lowers);
}

UniqueFd mount_layers(const OverlayOptions& options, const std::vector<int>& lowers) {
  Support support = lower_by_lower.load(std::memory_order_relaxed);
  if (support == Support::kNo) return mount_by_text(options, lowers);
  try {
    UniqueFd mount = mount_lower_by_lower(options, lowers);
    if (mount) {
      lower_by_lower.store(Support::kYes, std::memory_order_relaxed);
      return mount;
    }
  } catch (const base::SystemError& e) {
    // An old kernel may only complain about the unknown option when it mounts.
    if (support == Support::kYes || e.error_number() != EINVAL) throw;
  }
  UniqueFd mount = mount_by_text(options, lowers);
  lower_by_lower.store(Support::kNo, std::memory_order_relaxed);
  return mount;
}

/// An empty directory that nobody can reach, to stand below a lone lower.
UniqueFd empty_directory() {
  FsContext context("tmpfs");
  context.set_string("source", "empty");
  return context.mount(0);
}

}  // namespace

UniqueFd mount_overlay(const OverlayOptions& options) {
  std::vector<int> lowers = options.lowers;
  if (lowers.empty() || lowers.size() > kMaxLowers)
    throw base::Error(
        base::Code::kInvalid,
        base::str("mount overlay: ", lowers.size(), " layers, 1 to ", kMaxLowers, " are possible"));
  UniqueFd empty;
  if (options.upper < 0 && lowers.size() == 1) {
    // overlayfs wants an upper or two lowers.
    empty = empty_directory();
    lowers.push_back(empty.get());
  }
  return base::with_context(base::str("overlay of ", options.lowers.size(), " layers"),
                            [&] { return mount_layers(options, lowers); });
}

}  // namespace sys
