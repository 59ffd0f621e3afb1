#include "overlay/target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "store/layer/extract.h"

namespace overlay {

namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

Target Target::root(const sys::Root& merged, const sys::Root& upper) {
  return Target(merged.open_at(sys::RootedPath(), O_RDONLY | O_DIRECTORY), &upper,
                sys::RootedPath(), false);
}

Target Target::fresh_root(const sys::Root& tree) {
  return Target(tree.open_at(sys::RootedPath(), O_RDONLY | O_DIRECTORY), &tree, sys::RootedPath(),
                true);
}

std::optional<struct stat> Target::find(const std::string& name) const {
  struct stat st;
  if (::fstatat(fd_.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) return st;
  if (errno == ENOENT) return std::nullopt;
  base::throw_errno("stat " + base::printable(path_.below(name).str()));
}

Target Target::open(const std::string& name) const {
  sys::UniqueFd fd(::openat(fd_.get(), name.c_str(), kOpenDirectory));
  if (!fd) base::throw_errno("open " + base::printable(path_.below(name).str()));
  return Target(std::move(fd), upper_, path_.below(name), fresh_);
}

Target Target::create(const std::string& name) const {
  sys::RootedPath path = path_.below(name);
  if (::mkdirat(fd_.get(), name.c_str(), 0700) < 0)
    base::throw_errno("create directory " + base::printable(path.str()));
  sys::UniqueFd fd = fresh_ ? sys::open_nofollow_at(fd_.get(), name.c_str(), kOpenDirectory)
                            : upper_->open_at(path, kOpenDirectory);
  return Target(std::move(fd), upper_, std::move(path), true);
}

Target Target::make_path(const sys::RootedPath& below, const Attributes& attributes) const {
  Target at(fd_.duplicate(), upper_, path_, fresh_);
  for (const std::string& component : below.components()) {
    std::optional<struct stat> st = at.find(component);
    if (st && !S_ISDIR(st->st_mode))
      throw base::Error(base::Code::kInvalid,
                        base::printable(at.path().below(component).str()) + " is not a directory",
                        "not-a-directory");
    if (st) {
      at = at.open(component);
    } else {
      at = at.create(component);
      set_attributes(at.fd(), attributes, at.path().str());
    }
  }
  return at;
}

namespace {

// Where only one id can be used, other owners are kept as an attribute that the canonical tar turns
// back into an owner. Links and special files cannot carry one; theirs is lost.
bool keeps_owner_aside(const Attributes& attributes) {
  return sys::userns_mode() == sys::UsernsMode::kSingle &&
         (attributes.uid != 0 || attributes.gid != 0);
}

}  // namespace

void set_attributes(int fd, const Attributes& wanted, const std::string& name) {
  Attributes attributes = wanted;
  if (keeps_owner_aside(attributes)) {
    sys::set_xattr(fd, layer::kOwnerXattr, base::str(attributes.uid, ":", attributes.gid));
    attributes.uid = attributes.gid = 0;
  }
  struct stat st;
  if (::fstat(fd, &st) < 0) base::throw_errno("stat " + base::printable(name));
  bool owner_differs = st.st_uid != attributes.uid || st.st_gid != attributes.gid;
  if (owner_differs && ::fchown(fd, attributes.uid, attributes.gid) < 0)
    base::throw_errno(base::str("change owner of ", base::printable(name), " to ", attributes.uid,
                                ":", attributes.gid));
  if ((owner_differs || (st.st_mode & 07777) != attributes.mode) &&
      ::fchmod(fd, attributes.mode) < 0)
    base::throw_errno("change mode of " + base::printable(name));
  if (!attributes.mtime) return;
  timespec times[2] = {*attributes.mtime, *attributes.mtime};
  if (::futimens(fd, times) < 0) base::throw_errno("set time of " + base::printable(name));
}

void set_attributes_at(int dir_fd, const std::string& name, bool is_link,
                       const Attributes& attributes) {
  if (!keeps_owner_aside(attributes) &&
      ::fchownat(dir_fd, name.c_str(), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) < 0)
    base::throw_errno("change owner of " + base::printable(name));
  if (!is_link && ::fchmodat(dir_fd, name.c_str(), attributes.mode, 0) < 0)
    base::throw_errno("change mode of " + base::printable(name));
  if (!attributes.mtime) return;
  timespec times[2] = {*attributes.mtime, *attributes.mtime};
  if (::utimensat(dir_fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0)
    base::throw_errno("set time of " + base::printable(name));
}

}  // namespace overlay
