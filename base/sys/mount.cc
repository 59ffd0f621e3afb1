#include "base/sys/mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/text.h"

// <sys/mount.h> and <linux/mount.h> cannot both be included before glibc 2.37.
extern "C" int umount2(const char* target, int flags) noexcept;

namespace sys {

namespace {
constexpr int kDetach = 2;    // MNT_DETACH
constexpr int kNoFollow = 8;  // UMOUNT_NOFOLLOW
}  // namespace

FsContext::FsContext(const char* type)
    : fd_(static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC))), type_(type) {
  if (!fd_) base::throw_errno(std::string("open file system type ") + type);
}

void FsContext::fail(const std::string& operation) {
  int error = errno;
  std::string text = operation;
  char line[512];
  ssize_t n = ::read(fd_.get(), line, sizeof line);
  if (n > 2) text += " (" + std::string(line + 2, static_cast<size_t>(n) - 2) + ")";
  while (!text.empty() && text.back() == '\n') text.pop_back();
  throw base::SystemError(text, error);
}

void FsContext::set_string(const char* key, const std::string& value) {
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) < 0)
    fail(type_ + " option " + key);
}

bool FsContext::try_set_string(const char* key, const std::string& value) {
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0)
    return true;
  if (errno == EINVAL) return false;
  fail(type_ + " option " + key);
}

void FsContext::set_flag(const char* key) {
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_SET_FLAG, key, nullptr, 0) < 0)
    fail(type_ + " option " + key);
}

UniqueFd FsContext::mount(uint64_t attributes) {
  if (::syscall(SYS_fsconfig, fd_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0)
    fail("mount " + type_);
  UniqueFd mount(static_cast<int>(
      ::syscall(SYS_fsmount, fd_.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes))));
  if (!mount) fail("mount " + type_);
  return mount;
}

UniqueFd clone_mount(int dir_fd, const char* path, bool recursive, Propagation propagation) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
  if (recursive) flags |= AT_RECURSIVE;
  UniqueFd fd(static_cast<int>(::syscall(SYS_open_tree, dir_fd, path, flags)));
  if (!fd) base::throw_errno(std::string("clone mount ") + path);
  if (propagation == Propagation::kShared) return fd;
  // A copy is a peer of a shared original until it is told otherwise.
  struct mount_attr attr = {};
  attr.propagation = propagation == Propagation::kSlave ? MS_SLAVE : MS_PRIVATE;
  if (::syscall(SYS_mount_setattr, fd.get(), "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u),
                &attr, sizeof attr) < 0)
    base::throw_errno(std::string("set propagation of mount ") + path);
  return fd;
}

UniqueFd clone_root_of(pid_t process) {
  const std::string path = base::str("/proc/", process, "/ns/mnt");
  const UniqueFd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space) base::throw_errno("open " + path);
  UniqueFd mount;
  std::exception_ptr failure;
  // Only what a thread does not share with others may change.
  std::thread([&] {
    try {
      if (::unshare(CLONE_FS) < 0 || ::setns(space.get(), CLONE_NEWNS) < 0)
        base::throw_errno("enter mount namespace of the container");
      mount = clone_mount(AT_FDCWD, "/", false);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return mount;
}

void attach_mount(int mount_fd, int target_fd) {
  if (::syscall(SYS_move_mount, mount_fd, "", target_fd, "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    base::throw_errno("attach mount");
}

void attach_mount(int mount_fd, const std::string& path) {
  if (::syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) < 0)
    base::throw_errno("attach mount at " + path);
}

void set_mount_attributes(int mount_fd, uint64_t attributes, bool recursive) {
  struct mount_attr attr = {};
  attr.attr_set = attributes;
  unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u);
  if (::syscall(SYS_mount_setattr, mount_fd, "", flags, &attr, sizeof attr) < 0)
    base::throw_errno("set mount attributes");
}

void map_mount_ids(int mount_fd, int user_namespace, const std::string& what) {
  struct mount_attr attr = {};
  attr.attr_set = MOUNT_ATTR_IDMAP;
  attr.userns_fd = static_cast<uint64_t>(user_namespace);
  if (::syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0) return;
  const int error = errno;
  if (error != EINVAL && error != EPERM && error != ENOSYS)
    throw base::SystemError("map the ids of " + what, error);
  throw base::Error(base::Code::kUnsupported,
                    base::str("show ", what, " with the container's ids: ",
                              base::SystemError("mount_setattr", error).what()),
                    "no-id-mapping")
      .add_fact(
          "id-mapped mounts need root, Linux 5.19 for images, and a file system that knows them "
          "(ext4, xfs, btrfs)");
}

void unmount(const std::string& path, Unmount how) {
  const int flags = kNoFollow | (how == Unmount::kLazily ? kDetach : 0);
  if (::umount2(path.c_str(), flags) < 0) base::throw_errno("unmount " + base::printable(path));
}

namespace {

// Blanks, tabs, line ends and backslashes stand as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    int value = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ptr ==
            text.data() + i + 4) {
      out += static_cast<char>(value);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Files of /proc have no size and may be long: read to the end.
std::string read_proc(const char* path) {
  UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) base::throw_errno(std::string("open ") + path);
  FdSource source(fd.get(), path);
  std::string text;
  std::array<std::byte, 16384> buffer;
  while (size_t n = source.read(buffer)) text += base::as_text({buffer.data(), n});
  return text;
}

}  // namespace

std::vector<MountInfo> parse_mountinfo(std::string_view text) {
  constexpr size_t kDevice = 2;
  constexpr size_t kPoint = 4;
  std::vector<MountInfo> mounts;
  for (const std::string& line : base::split(text, '\n')) {
    const std::vector<std::string> fields = base::split(line, ' ');
    if (fields.size() <= kPoint) continue;
    MountInfo mount;
    const std::string& id = fields[0];
    if (std::from_chars(id.data(), id.data() + id.size(), mount.id).ptr != id.data() + id.size())
      continue;
    mount.device = fields[kDevice];
    mount.point = unescape(fields[kPoint]);
    // Optional fields end with "-"; the type and the source follow.
    const auto end = std::find(fields.begin() + kPoint, fields.end(), "-");
    if (fields.end() - end > 2) mount.source = unescape(end[2]);
    for (auto field = fields.begin() + kPoint; field != end; ++field) {
      mount.is_shared = mount.is_shared || field->starts_with("shared:");
      mount.is_slave = mount.is_slave || field->starts_with("master:");
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::vector<MountInfo> list_mounts() { return parse_mountinfo(read_proc("/proc/self/mountinfo")); }

uint64_t mount_id(int fd) {
  const std::string path = base::str("/proc/self/fdinfo/", fd);
  const std::string text = read_proc(path.c_str());
  constexpr std::string_view kKey = "mnt_id:";
  for (const std::string& line : base::split(text, '\n')) {
    if (!line.starts_with(kKey)) continue;
    const std::string_view number = base::trim(std::string_view(line).substr(kKey.size()));
    uint64_t id = 0;
    if (std::from_chars(number.data(), number.data() + number.size(), id).ec == std::errc())
      return id;
  }
  throw base::Error(base::Code::kUnsupported, "the kernel does not tell mount ids (" + path + ")",
                    "kernel-too-old");
}

}  // namespace sys
