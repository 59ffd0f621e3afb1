#include "overlay/merge_trees.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/sys/copy_content.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "base/text.h"

namespace overlay {

namespace {

using InodeKey = std::pair<dev_t, ino_t>;

bool is_whiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }

std::optional<struct stat> find(int directory, const char* name) {
  struct stat st;
  if (::fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0) return st;
  if (errno != ENOENT) base::throw_errno(base::str("look at ", base::printable(name)));
  return std::nullopt;
}

class Merge {
 public:
  Merge(sys::UniqueFd root, const MergeOptions& options)
      : root_(std::move(root)), options_(options) {}

  void add(const Tree& tree) {
    sys::UniqueFd source = sys::open_nofollow_at(tree.fd(), ".", O_RDONLY | O_DIRECTORY);
    copied_.clear();
    merge_directory(source.get(), root_.get(), "");
    earlier_.insert(linked_.begin(), linked_.end());
    linked_.clear();
  }

 private:
  static const char* opaque_name() {
    return uses_user_xattrs() ? "user.overlay.opaque" : "trusted.overlay.opaque";
  }

  int64_t time_of(int64_t seconds) const {
    return options_.latest_mtime && seconds > *options_.latest_mtime ? *options_.latest_mtime
                                                                     : seconds;
  }
  bool is_late(const struct stat& st) const {
    return time_of(st.st_mtim.tv_sec) != st.st_mtim.tv_sec;
  }
  void times_of(const struct stat& st, timespec (&times)[2]) const {
    timespec mtime = is_late(st) ? timespec{*options_.latest_mtime, 0} : st.st_mtim;
    times[0] = times[1] = mtime;
  }

  void merge_directory(int source, int target, const std::string& path) {
    for (const std::string& name : sys::list_names(source)) {
      std::string below = path.empty() ? name : path + "/" + name;
      std::optional<struct stat> st = find(source, name.c_str());
      if (!st) continue;
      if (is_whiteout(*st)) {
        sys::remove_tree_at(target, name.c_str());
        if (options_.keep_whiteouts && ::mknodat(target, name.c_str(), S_IFCHR, 0) < 0)
          base::throw_errno("hide " + base::printable(below));
      } else if (S_ISDIR(st->st_mode)) {
        enter_directory(source, target, name, below);
      } else {
        sys::remove_tree_at(target, name.c_str());
        place(source, target, name, below, *st);
      }
    }
    copy_directory_attributes(source, target, path);
  }

  void enter_directory(int source, int target, const std::string& name, const std::string& path) {
    sys::UniqueFd from = sys::open_nofollow_at(source, name.c_str(), O_RDONLY | O_DIRECTORY);
    sys::Xattrs attributes = sys::list_xattrs(from.get());
    auto mark = attributes.find(opaque_name());
    bool opaque = mark != attributes.end() && mark->second == "y";
    std::optional<struct stat> there = find(target, name.c_str());
    // Above a whiteout or a file, a new directory hides what lower layers have there.
    bool hides = opaque || (there && !S_ISDIR(there->st_mode));
    if (there && hides) sys::remove_tree_at(target, name.c_str());
    if ((!there || hides) && ::mkdirat(target, name.c_str(), 0700) < 0)
      base::throw_errno("create " + base::printable(path));
    sys::UniqueFd to = sys::open_nofollow_at(target, name.c_str(), O_RDONLY | O_DIRECTORY);
    if (hides && options_.keep_whiteouts) sys::set_xattr(to.get(), opaque_name(), "y");
    merge_directory(from.get(), to.get(), path);
  }

  void copy_directory_attributes(int source, int target, const std::string& path) {
    struct stat st;
    if (::fstat(source, &st) < 0) base::throw_errno("look at " + base::printable(path));
    sys::Xattrs wanted = sys::list_xattrs(source);
    for (const auto& [name, value] : sys::list_xattrs(target))
      if (!wanted.contains(name) && name != opaque_name() && name != "security.selinux" &&
          ::fremovexattr(target, name.c_str()) < 0)
        base::throw_errno("remove attribute of " + base::printable(path));
    for (const auto& [name, value] : wanted)
      if (name != opaque_name() && name != "security.selinux") sys::set_xattr(target, name, value);
    timespec times[2];
    times_of(st, times);
    if (::fchown(target, st.st_uid, st.st_gid) < 0 || ::fchmod(target, st.st_mode & 07777) < 0 ||
        ::futimens(target, times) < 0)
      base::throw_errno("set attributes of " + base::printable(path));
  }

  void place(int source, int target, const std::string& name, const std::string& path,
             const struct stat& st) {
    InodeKey inode{st.st_dev, st.st_ino};
    // One file under two names in one layer is a hard link; in two layers it is chance.
    bool linkable = !is_late(st) && !earlier_.contains(inode);
    if (linkable && ::linkat(source, name.c_str(), target, name.c_str(), 0) == 0) {
      linked_.insert(inode);
      return;
    }
    if (linkable && errno != EMLINK && errno != EPERM && errno != EXDEV)
      base::throw_errno("link " + base::printable(path));
    if (auto first = copied_.find(inode); st.st_nlink > 1 && first != copied_.end()) {
      if (::linkat(root_.get(), first->second.c_str(), target, name.c_str(), 0) < 0)
        base::throw_errno("link " + base::printable(path));
      return;
    }
    if (S_ISREG(st.st_mode))
      copy_file(source, target, name, path, st);
    else
      copy_special(source, target, name, path, st);
    copied_.emplace(inode, path);
  }

  void copy_file(int source, int target, const std::string& name, const std::string& path,
                 const struct stat& st) {
    sys::UniqueFd from = sys::open_nofollow_at(source, name.c_str(), O_RDONLY | O_NONBLOCK);
    sys::UniqueFd to =
        sys::open_nofollow_at(target, name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    base::with_context("copy " + base::printable(path),
                       [&] { sys::copy_content(from.get(), to.get(), st); });
    timespec times[2];
    times_of(st, times);
    if (::fchown(to.get(), st.st_uid, st.st_gid) < 0 || ::fchmod(to.get(), st.st_mode & 07777) < 0)
      base::throw_errno("set attributes of " + base::printable(path));
    // After the owner: changing that takes capabilities away.
    for (const auto& [attribute, value] : sys::list_xattrs(from.get()))
      if (attribute != "security.selinux") sys::set_xattr(to.get(), attribute, value);
    if (::futimens(to.get(), times) < 0) base::throw_errno("set time of " + base::printable(path));
  }

  void copy_special(int source, int target, const std::string& name, const std::string& path,
                    const struct stat& st) {
    int made = S_ISLNK(st.st_mode) ? ::symlinkat(sys::read_link_at(source, name.c_str()).c_str(),
                                                 target, name.c_str())
                                   : ::mknodat(target, name.c_str(), st.st_mode, st.st_rdev);
    if (made < 0) base::throw_errno("create " + base::printable(path));
    for (const auto& [attribute, value] : sys::list_xattrs_at(source, name.c_str()))
      if (attribute != "security.selinux")
        sys::set_xattr_at(target, name.c_str(), attribute, value);
    timespec times[2];
    times_of(st, times);
    if (::fchownat(target, name.c_str(), st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        (!S_ISLNK(st.st_mode) && ::fchmodat(target, name.c_str(), st.st_mode & 07777, 0) < 0) ||
        ::utimensat(target, name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0)
      base::throw_errno("set attributes of " + base::printable(path));
  }

  sys::UniqueFd root_;
  const MergeOptions& options_;
  std::set<InodeKey> earlier_;              // linked from the layers before
  std::set<InodeKey> linked_;               // and from this one
  std::map<InodeKey, std::string> copied_;  // of this layer: where the first name went
};

}  // namespace

TreePtr merge_trees(store::Store& store, const Stack& trees, const MergeOptions& options) {
  Active active(store, Stack(), "merge");
  Merge merge(sys::open_nofollow_at(active.upper().fd(), ".", O_RDONLY | O_DIRECTORY), options);
  for (const TreePtr& tree : trees) {
    // A layer that hides all below it: what was merged so far does not count.
    if (tree->is_opaque()) {
      for (const std::string& name : sys::list_names(active.upper().fd()))
        sys::remove_tree_at(active.upper().fd(), name.c_str());
      if (options.keep_whiteouts)
        sys::set_xattr(
            sys::open_nofollow_at(active.upper().fd(), ".", O_RDONLY | O_DIRECTORY).get(),
            uses_user_xattrs() ? "user.overlay.opaque" : "trusted.overlay.opaque", "y");
    }
    merge.add(*tree);
  }
  return std::move(active).commit();
}

}  // namespace overlay
