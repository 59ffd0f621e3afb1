#include "store/layer/file_maker.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/sys/copy_content.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/text.h"
#include "store/layer/extract.h"

namespace layer {

namespace {

constexpr uint64_t kSpaceCheckEvery = 64 << 20;
constexpr size_t kHoleUnit = 64 << 10;
constexpr uint64_t kBlock = 4096;  // of nearly all file systems

// The kernel gives the umask only to who changes it, which is not safe beside other threads.
mode_t current_umask() {
  std::string status = sys::find_user_file("/proc/self/status", 1 << 20).value_or("");
  size_t at = status.find("\nUmask:\t");
  if (at == std::string::npos) return 0777;
  mode_t mask = 0;
  for (at += 8; at < status.size() && status[at] >= '0' && status[at] <= '7'; ++at)
    mask = mask * 8 + static_cast<mode_t>(status[at] - '0');
  return mask;
}

uint64_t in_blocks(uint64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }

bool all_zero(base::Bytes bytes) {
  return bytes[0] == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

std::array<struct timespec, 2> times_of(const TarTime& mtime) {
  struct timespec access = {0, UTIME_OMIT};
  struct timespec modify = {mtime.sec, static_cast<long>(mtime.nsec)};
  return {access, modify};
}

[[noreturn]] void throw_owner(const Attributes& attributes) {
  int error = errno;
  if (error != EINVAL && error != EPERM) throw base::SystemError("change owner", error);
  base::Error unmapped(base::Code::kUnsupported,
                       base::str("owner ", attributes.uid, ":", attributes.gid,
                                 error == EINVAL ? " is not mapped in this user namespace"
                                                 : " cannot be set by this user"),
                       "owner-unmapped");
  unmapped.add_help(
      "give this user more ids in /etc/subuid and /etc/subgid, or use the "
      "single-id mode");
  throw unmapped;
}

}  // namespace

bool is_reserved_xattr(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") ||
         name.starts_with("user.torte.");
}

Attributes attributes_of(const struct stat& st) {
  return {st.st_mode & 07777,
          st.st_uid,
          st.st_gid,
          {st.st_mtim.tv_sec, static_cast<uint32_t>(st.st_mtim.tv_nsec)}};
}

FileMaker::FileMaker(int tree_fd, Options options)
    : tree_fd_(tree_fd),
      options_(std::move(options)),
      umask_(current_umask()),
      own_uid_(::geteuid()),
      own_gid_(::getegid()) {
  if (options_.always_chown) own_uid_ = own_gid_ = UINT32_MAX;
}

void FileMaker::check_stop() const {
  if (options_.stop.stop_requested())
    throw base::Error(base::Code::kCancelled, "unpacking was cancelled", "cancelled");
}

void FileMaker::count_written(uint64_t bytes) {
  disk_bytes_ += bytes;
  since_space_check_ += bytes;
  if (since_space_check_ < kSpaceCheckEvery) return;
  since_space_check_ = 0;
  struct statvfs fs;
  if (::fstatvfs(tree_fd_, &fs) < 0) base::throw_errno("look at free space");
  if (static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize < options_.keep_free_bytes)
    throw base::SystemError("unpack a layer: less space left than must stay free", ENOSPC);
}

void FileMaker::write_piece(int fd, base::Bytes piece, uint64_t offset, bool find_holes) {
  while (!piece.empty()) {
    base::Bytes part = find_holes ? piece.first(std::min(piece.size(), kHoleUnit)) : piece;
    if (!find_holes || !all_zero(part)) {
      for (size_t done = 0; done < part.size();) {
        ssize_t n =
            ::pwrite(fd, part.data() + done, part.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) base::throw_errno("write");
        done += static_cast<size_t>(n);
      }
      count_written(part.size());
    }
    offset += part.size();
    piece = piece.subspan(part.size());
  }
}

void FileMaker::write_content(int fd, uint64_t size, TarReader& reader) {
  bool find_holes = size > kHoleUnit;
  uint64_t offset = 0;
  for (;;) {
    if (uint64_t hole = reader.hole_bytes(); hole > 0) {
      reader.skip_hole();
      offset += hole;
      find_holes = true;
      continue;
    }
    base::Bytes piece = reader.next_piece();
    if (piece.empty()) break;
    write_piece(fd, piece, offset, find_holes);
    offset += piece.size();
    if (find_holes) check_stop();
  }
  if (find_holes && ::ftruncate(fd, static_cast<off_t>(size)) < 0) base::throw_errno("set size");
}

void FileMaker::set_owner(int fd, const Attributes& attributes) {
  if (options_.single_id) {
    if (attributes.uid == 0 && attributes.gid == 0) return;
    sys::set_xattr(fd, kOwnerXattr, base::str(attributes.uid, ":", attributes.gid));
    return;
  }
  if (attributes.uid == own_uid_ && attributes.gid == own_gid_) return;
  if (::fchown(fd, attributes.uid, attributes.gid) < 0) throw_owner(attributes);
}

void FileMaker::set_owner_at(int dir, const char* name, const Attributes& attributes) {
  // No user attributes on links and special files: with one id their owner is not kept.
  if (options_.single_id) return;
  if (attributes.uid == own_uid_ && attributes.gid == own_gid_) return;
  if (::fchownat(dir, name, attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) < 0)
    throw_owner(attributes);
}

template <typename Set>
void FileMaker::set_each_xattr(const Xattrs& xattrs, Set set) {
  for (const auto& [name, value] : xattrs) {
    if (is_reserved_xattr(name)) {
      ++dropped_xattrs_;
      continue;
    }
    if (set(name.c_str(), value.data(), value.size()) == 0) continue;
    // Not ours to set (trusted.* in a user namespace), or not kept by this file system.
    if (errno == ENOTSUP || errno == EPERM) {
      ++dropped_xattrs_;
      continue;
    }
    base::throw_errno(base::str("set extended attribute ", base::printable(name, 100), " of ",
                                value.size(), " bytes"));
  }
}

void FileMaker::set_xattrs(int fd, const Xattrs& xattrs) {
  set_each_xattr(xattrs, [&](const char* name, const void* value, size_t size) {
    return ::fsetxattr(fd, name, value, size, 0);
  });
}

bool FileMaker::make_file(int dir, const char* name, const Attributes& attributes,
                          const Xattrs& xattrs, uint64_t size, TarReader& reader) {
  // Attributes can only be set on what we may write, so the mode comes later when there are any.
  bool plain = xattrs.empty() && !options_.single_id;
  mode_t first_mode = plain ? attributes.mode & 0777 : 0600;
  sys::UniqueFd fd(
      ::openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, first_mode));
  if (!fd) {
    if (errno == EEXIST) return false;
    base::throw_errno("create file");
  }
  write_content(fd.get(), size, reader);
  disk_bytes_ = in_blocks(disk_bytes_);
  set_owner(fd.get(), attributes);
  if (!xattrs.empty()) set_xattrs(fd.get(), xattrs);
  bool mode_is_set = plain && (attributes.mode & 07000) == 0 && (attributes.mode & umask_) == 0;
  if (!mode_is_set && ::fchmod(fd.get(), attributes.mode) < 0) base::throw_errno("change mode");
  auto times = times_of(attributes.mtime);
  if (::futimens(fd.get(), times.data()) < 0) base::throw_errno("set times");
  return true;
}

bool FileMaker::finish_special(int dir, const char* name, bool is_link,
                               const Attributes& attributes, const Xattrs& xattrs) {
  set_owner_at(dir, name, attributes);
  if (!xattrs.empty()) {
    std::string path = base::str("/proc/self/fd/", dir, "/", name);
    set_each_xattr(xattrs, [&](const char* attribute, const void* value, size_t size) {
      return ::lsetxattr(path.c_str(), attribute, value, size, 0);
    });
  }
  // Nobody else works in this tree, and what has this name is ours and not a link.
  if (!is_link && ::fchmodat(dir, name, attributes.mode, 0) < 0) base::throw_errno("change mode");
  auto times = times_of(attributes.mtime);
  if (::utimensat(dir, name, times.data(), AT_SYMLINK_NOFOLLOW) < 0) base::throw_errno("set times");
  return true;
}

bool FileMaker::make_symlink(int dir, const char* name, const std::string& target,
                             const Attributes& attributes, const Xattrs& xattrs) {
  if (::symlinkat(target.c_str(), dir, name) < 0) {
    if (errno == EEXIST) return false;
    base::throw_errno("create symbolic link");
  }
  return finish_special(dir, name, true, attributes, xattrs);
}

bool FileMaker::make_node(int dir, const char* name, mode_t type, dev_t device,
                          const Attributes& attributes, const Xattrs& xattrs) {
  if (::mknodat(dir, name, type | (attributes.mode & 0777), device) == 0)
    return finish_special(dir, name, false, attributes, xattrs);
  if (errno == EEXIST) return false;
  if (errno != EPERM || type == S_IFIFO) base::throw_errno("create special file");
  // In a user namespace: an empty file that the writer turns back into the device.
  std::string number = base::str(S_ISCHR(type) ? "c:" : "b:", static_cast<unsigned>(major(device)),
                                 ":", static_cast<unsigned>(minor(device)));
  sys::UniqueFd fd(::openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    if (errno == EEXIST) return false;
    base::throw_errno("create file");
  }
  set_owner(fd.get(), attributes);
  set_xattrs(fd.get(), xattrs);
  sys::set_xattr(fd.get(), kDeviceXattr, number);
  if (::fchmod(fd.get(), attributes.mode) < 0) base::throw_errno("change mode");
  auto times = times_of(attributes.mtime);
  if (::futimens(fd.get(), times.data()) < 0) base::throw_errno("set times");
  return true;
}

bool FileMaker::make_whiteout(int dir, const char* name) {
  // Allowed to everybody since Linux 5.8: this one device stands for nothing.
  if (::mknodat(dir, name, S_IFCHR, makedev(0, 0)) == 0) return true;
  if (errno == EEXIST) return false;
  base::throw_errno("create whiteout");
}

bool FileMaker::make_directory(int dir, const char* name) {
  if (::mkdirat(dir, name, 0700) == 0) {
    disk_bytes_ += kBlock;
    return true;
  }
  if (errno == EEXIST) return false;
  base::throw_errno("create directory");
}

bool FileMaker::make_link(int from_dir, const char* from, int dir, const char* name) {
  if (::linkat(from_dir, from, dir, name, 0) == 0) return true;
  if (errno == EEXIST) return false;
  base::throw_errno("create hard link");
}

bool FileMaker::copy(int from_dir, const char* name, int dir) {
  struct stat st;
  if (::fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) base::throw_errno("stat lower file");
  Attributes attributes = attributes_of(st);
  if (!S_ISREG(st.st_mode)) {
    Xattrs xattrs = sys::list_xattrs_at(from_dir, name);
    if (S_ISLNK(st.st_mode))
      return make_symlink(dir, name, sys::read_link_at(from_dir, name), attributes, xattrs);
    return make_node(dir, name, st.st_mode & S_IFMT, st.st_rdev, attributes, xattrs);
  }
  sys::UniqueFd from = sys::open_nofollow_at(from_dir, name, O_RDONLY);
  sys::UniqueFd to(::openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to) {
    if (errno == EEXIST) return false;
    base::throw_errno("create file");
  }
  sys::copy_content(from.get(), to.get(), st, [&](uint64_t bytes) {
    check_stop();
    count_written(bytes);
  });
  disk_bytes_ = in_blocks(disk_bytes_);
  if (!options_.single_id) set_owner(to.get(), attributes);
  for (const auto& [key, value] : sys::list_xattrs(from.get())) {
    // Torte's own stay: they say what the lower file stands for.
    if (key.find(".overlay.") == std::string::npos) sys::set_xattr(to.get(), key, value);
  }
  if (::fchmod(to.get(), attributes.mode) < 0) base::throw_errno("change mode");
  auto times = times_of(attributes.mtime);
  if (::futimens(to.get(), times.data()) < 0) base::throw_errno("set times");
  return true;
}

void FileMaker::apply_to_directory(int fd, const Attributes& attributes) {
  struct stat st;
  if (::fstat(fd, &st) < 0) base::throw_errno("stat directory");
  if (options_.single_id) {
    // An earlier entry may have left one.
    if (attributes.uid == 0 && attributes.gid == 0) ::fremovexattr(fd, kOwnerXattr);
    set_owner(fd, attributes);
  } else if ((st.st_uid != attributes.uid || st.st_gid != attributes.gid) &&
             ::fchown(fd, attributes.uid, attributes.gid) < 0) {
    throw_owner(attributes);
  }
  if (::fchmod(fd, attributes.mode) < 0) base::throw_errno("change mode");
  auto times = times_of(attributes.mtime);
  if (::futimens(fd, times.data()) < 0) base::throw_errno("set times");
}

void FileMaker::apply_to_new_directory(int fd, const Attributes& attributes) {
  set_owner(fd, attributes);
  if (::fchmod(fd, attributes.mode) < 0) base::throw_errno("change mode");
}

void FileMaker::apply_to_link(int dir, const char* name, const struct stat& now,
                              const Attributes& attributes, const Xattrs& xattrs) {
  // Setting an owner, even the same, would take file capabilities away: so only what differs.
  bool is_link = S_ISLNK(now.st_mode);
  Attributes have = attributes_of(now);
  bool owner = have.uid != attributes.uid || have.gid != attributes.gid;
  if (owner && !options_.single_id &&
      ::fchownat(dir, name, attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) < 0)
    throw_owner(attributes);
  if (!xattrs.empty()) {
    std::string path = base::str("/proc/self/fd/", dir, "/", name);
    set_each_xattr(xattrs, [&](const char* attribute, const void* value, size_t size) {
      return ::lsetxattr(path.c_str(), attribute, value, size, 0);
    });
  }
  if (!is_link && (owner || have.mode != attributes.mode) &&
      ::fchmodat(dir, name, attributes.mode, 0) < 0)
    base::throw_errno("change mode");
  auto times = times_of(attributes.mtime);
  if (::utimensat(dir, name, times.data(), AT_SYMLINK_NOFOLLOW) < 0) base::throw_errno("set times");
}

}  // namespace layer
