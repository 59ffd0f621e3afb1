#include "base/sys/overlay_mount.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/sys/mount.h"
#include "base/text.h"

namespace sys {

namespace {

constexpr size_t kMaxLowers = 500;  // OVL_MAX_STACK
// fsconfig(2) takes no longer text as one value.
constexpr size_t kLongestValue = 255;

// What the kernel was seen to do once is not tried again.
enum class Support { kUnknown, kYes, kNo };
std::atomic<Support> lower_by_lower{Support::kUnknown};

std::string fd_path(int fd) { return base::str("/proc/self/fd/", fd); }

void set_common(FsContext& context, const OverlayOptions& options, bool short_names) {
  auto name = [&](int fd) { return short_names ? std::to_string(fd) : fd_path(fd); };
  context.set_string("source", options.source);
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

/// Runs `work` in a thread that shares less with the others: working directory, mount namespace.
template <typename Work>
UniqueFd in_thread_of_its_own(int unshared, Work work) {
  UniqueFd mount;
  std::exception_ptr failure;
  std::thread worker([&] {
    try {
      if (::unshare(unshared) < 0) base::throw_errno("unshare");
      mount = work();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  worker.join();
  if (failure) std::rethrow_exception(failure);
  return mount;
}

/// Layers named by bare numbers, relative to /proc/self/fd.
UniqueFd mount_with_short_names(const OverlayOptions& options, const std::vector<int>& lowers) {
  return in_thread_of_its_own(CLONE_FS, [&] {
    if (::chdir("/proc/self/fd") < 0) base::throw_errno("change to /proc/self/fd");
    return mount_one_text(options, lowers, true);
  });
}

/// Where the descriptor's directory is, in a mount namespace that was copied from ours.
std::string path_of(int fd) { return std::filesystem::read_symlink(fd_path(fd)).string(); }

void make_link(const std::string& content, const std::string& name) {
  if (::symlink(content.c_str(), name.c_str()) < 0) base::throw_errno("create link to layer");
}

/// mount(2) takes a page of options but attaches the mount; so in a mount namespace that nobody
/// else sees, on a tmpfs, with one short link a layer. A clone of the mount survives the namespace.
/// Directories reached through descriptors of another namespace are refused there, hence by path.
UniqueFd mount_in_private_namespace(const OverlayOptions& options, const std::vector<int>& lowers) {
  std::vector<std::string> paths;
  for (int lower : lowers) paths.push_back(path_of(lower));
  std::string upper = options.upper >= 0 ? path_of(options.upper) : "";
  std::string work = options.upper >= 0 ? path_of(options.work) : "";
  return in_thread_of_its_own(CLONE_FS | CLONE_NEWNS, [&] {
    constexpr const char* kPlace = "/proc";  // exists everywhere, and no layer is below it
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        ::mount("torte", kPlace, "tmpfs", 0, "mode=700") < 0 || ::chdir(kPlace) < 0 ||
        ::mkdir("m", 0700) < 0 || ::mkdir("e", 0700) < 0)
      base::throw_errno("prepare place for overlay");
    std::string text = "index=off,metacopy=off,redirect_dir=nofollow,xino=auto,lowerdir=";
    for (size_t i = 0; i < paths.size(); ++i) {
      make_link(paths[i], std::to_string(i));
      text += (i > 0 ? ":" : "") + std::to_string(i);
    }
    if (options.upper >= 0) {
      make_link(upper, "u");
      make_link(work, "w");
      text += ",upperdir=u,workdir=w";
      if (options.is_volatile) text += ",volatile";
    } else if (paths.size() == 1) {
      text += ":e";
    }
    if (options.userxattr) text += ",userxattr";
    if (::mount(options.source.c_str(), "m", "overlay", 0, text.c_str()) < 0)
      base::throw_errno("mount overlay");
    return clone_mount(AT_FDCWD, "m", false);
  });
}

/// The mounter of an overlay makes directories of its own in the work directory: as somebody whom
/// the mapped layers know. For this thread, which keeps its rights. (A change of these ids takes
/// rights over files away.)
void become_owner(uint32_t uid, uint32_t gid) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct rights[2] = {};
  if (::syscall(SYS_capget, &header, rights) < 0) base::throw_errno("read capabilities");
  ::setfsgid(gid);
  ::setfsuid(uid);
  for (__user_cap_data_struct& half : rights) half.effective = half.permitted;
  if (::syscall(SYS_capset, &header, rights) < 0) base::throw_errno("keep capabilities");
}

UniqueFd mapped_clone(int directory, const OverlayOptions& options, const char* what) {
  UniqueFd mount = clone_mount(directory, "", false);
  map_mount_ids(mount.get(), options.id_map, what);
  return mount;
}

/// Every layer through a mount that maps ids. Such mounts must be attached somewhere (before Linux
/// 6.15), so again in a mount namespace that nobody else sees.
UniqueFd mount_mapped(const OverlayOptions& options) {
  std::vector<UniqueFd> lowers;
  for (int lower : options.lowers) lowers.push_back(mapped_clone(lower, options, "a layer"));
  UniqueFd both;
  std::string upper, work;
  if (options.upper >= 0) {
    // They must be reached through one mount.
    UniqueFd parent(::openat(options.upper, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!parent) base::throw_errno("open the directory of the writable layer");
    both = mapped_clone(parent.get(), options, "the writable layer");
    upper = std::filesystem::path(path_of(options.upper)).filename();
    work = std::filesystem::path(path_of(options.work)).filename();
  }
  return in_thread_of_its_own(CLONE_FS | CLONE_NEWNS, [&] {
    constexpr const char* kPlace = "/proc";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        ::mount("torte", kPlace, "tmpfs", 0, "mode=755") < 0 || ::chdir(kPlace) < 0 ||
        ::mkdir("m", 0755) < 0 || ::mkdir("e", 0755) < 0 || ::mkdir("u", 0755) < 0)
      base::throw_errno("prepare place for overlay");
    std::string text = "index=off,metacopy=off,redirect_dir=nofollow,xino=auto,lowerdir=";
    for (size_t i = 0; i < lowers.size(); ++i) {
      const std::string name = std::to_string(i);
      if (::mkdir(name.c_str(), 0755) < 0) base::throw_errno("prepare place for layer");
      attach_mount(lowers[i].get(), name);
      text += (i > 0 ? ":" : "") + name;
    }
    if (both) {
      attach_mount(both.get(), "u");
      text += base::str(",upperdir=u/", upper, ",workdir=u/", work);
      if (options.is_volatile) text += ",volatile";
    } else if (lowers.size() == 1) {
      text += ":e";
    }
    if (options.userxattr) text += ",userxattr";
    become_owner(options.id_map_uid, options.id_map_gid);
    if (::mount(options.source.c_str(), "m", "overlay", 0, text.c_str()) < 0)
      base::throw_errno("mount overlay");
    return clone_mount(AT_FDCWD, "m", false);
  });
}

UniqueFd mount_by_text(const OverlayOptions& options, const std::vector<int>& lowers) {
  size_t full = 0, shorter = 0;
  for (int lower : lowers) {
    full += fd_path(lower).size() + 1;
    shorter += std::to_string(lower).size() + 1;
  }
  if (full <= kLongestValue) return mount_one_text(options, lowers, false);
  if (shorter <= kLongestValue) return mount_with_short_names(options, lowers);
  return mount_in_private_namespace(options, lowers);
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

/// overlayfs wants an upper or two lowers, so an empty directory stands below a lone one.
UniqueFd mount_lone_lower(const OverlayOptions& options) {
  UniqueFd empty = empty_directory();
  try {
    return mount_layers(options, {options.lowers[0], empty.get()});
  } catch (const base::SystemError& e) {
    // Kernels before 6.15 take no layer from a mount that is attached nowhere.
    if (e.error_number() != EINVAL) throw;
  }
  return mount_in_private_namespace(options, options.lowers);
}

UniqueFd mount_by(const OverlayOptions& options, OverlayMethod method) {
  const std::vector<int>& lowers = options.lowers;
  switch (method) {
    case OverlayMethod::kOneText:
      return mount_one_text(options, lowers, false);
    case OverlayMethod::kShortNames:
      return mount_with_short_names(options, lowers);
    case OverlayMethod::kPrivateNamespace:
      return mount_in_private_namespace(options, lowers);
    case OverlayMethod::kBest:
      break;
  }
  if (options.id_map >= 0) return mount_mapped(options);
  if (options.upper < 0 && lowers.size() == 1) return mount_lone_lower(options);
  return mount_layers(options, lowers);
}

}  // namespace

UniqueFd mount_overlay(const OverlayOptions& options, OverlayMethod method) {
  size_t count = options.lowers.size();
  if (count == 0 || count > kMaxLowers)
    throw base::Error(
        base::Code::kInvalid,
        base::str("mount overlay: ", count, " layers, 1 to ", kMaxLowers, " are possible"),
        "too-many-layers");
  return base::with_context(base::str("overlay of ", count, " layers"),
                            [&] { return mount_by(options, method); });
}

}  // namespace sys
