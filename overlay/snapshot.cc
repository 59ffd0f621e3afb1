#include "overlay/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/overlay_mount.h"
#include "base/sys/userns.h"
#include "base/text.h"

namespace overlay {

namespace {

sys::UniqueFd open_directory(const std::filesystem::path& path) {
  sys::UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) base::throw_errno("open layer " + path.string());
  return fd;
}

void make_directory(const std::filesystem::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) < 0) base::throw_errno("create " + path.string());
  // mkdir obeys the umask; a layer's root must not.
  if (::chmod(path.c_str(), mode) < 0) base::throw_errno("change mode of " + path.string());
}

// overlayfs wants two lower directories when there is no upper one.
int empty_directory(const store::Store& store, sys::UniqueFd& keep) {
  std::filesystem::path path = store.layout().empty_directory();
  sys::make_directories(path, 0755);
  keep = open_directory(path);
  return keep.get();
}

}  // namespace

Tree::Tree(std::filesystem::path path, std::shared_ptr<store::StagingDir> staging)
    : path_(std::move(path)), staging_(std::move(staging)), fd_(open_directory(path_)) {
  struct stat st;
  if (::fstat(fd_.get(), &st) < 0) base::throw_errno("stat layer " + path_.string());
  inode_ = st.st_ino;
  char value = 0;
  const char* name = uses_user_xattrs() ? "user.overlay.opaque" : "trusted.overlay.opaque";
  opaque_ = ::lgetxattr(path_.c_str(), name, &value, 1) == 1 && value == 'y';
}

Stack open_stack(const store::Store& store, const std::vector<oci::DiffId>& layers) {
  Stack stack;
  store.provide_layers(layers);
  for (const oci::DiffId& layer : layers) {
    std::filesystem::path path = store.layout().layer_tree(layer);
    struct stat st;
    if (::lstat(path.c_str(), &st) < 0 && errno == ENOENT)
      throw base::Error(base::Code::kNotFound, "layer " + layer.str() + " is not in the store",
                        "layer-missing")
          .add_help("torte fsck --repair tells what must be fetched or built again");
    stack.push_back(std::make_shared<Tree>(std::move(path), nullptr));
  }
  return stack;
}

std::vector<int> lower_fds(const Stack& stack) {
  std::vector<int> fds;
  std::set<ino_t> seen;
  for (auto tree = stack.rbegin(); tree != stack.rend(); ++tree) {
    // A tree that appears twice adds nothing the second time, and overlayfs refuses it.
    if (seen.insert((*tree)->inode()).second) fds.push_back((*tree)->fd());
    if ((*tree)->is_opaque()) break;
  }
  return fds;
}

bool uses_user_xattrs() { return !sys::in_initial_user_namespace(); }

std::string view_source(const std::filesystem::path& root) {
  // Not the path itself: views are mounted in containers too, which it does not concern.
  const std::string path = std::filesystem::absolute(root).lexically_normal();
  return "torte:" + base::sha256_hex(base::as_bytes(path)).substr(0, 16);
}

View::View(const store::Store& store, const Stack& stack) {
  sys::OverlayOptions options;
  options.source = view_source(store.layout().root());
  options.lowers = lower_fds(stack);
  options.userxattr = uses_user_xattrs();
  if (options.lowers.empty()) {
    // An image without layers: there is nothing for overlayfs to merge.
    sys::FsContext nothing("tmpfs");
    nothing.set_string("source", options.source);
    nothing.set_string("mode", "755");
    nothing.set_flag("ro");
    root_ = sys::Root(nothing.mount(0));
    return;
  }
  sys::UniqueFd empty;
  if (options.lowers.size() < 2) options.lowers.push_back(empty_directory(store, empty));
  root_ = sys::Root(sys::mount_overlay(options));
}

Active::Active(store::Store& store, Stack below, std::string_view purpose)
    : store_(&store),
      below_(std::move(below)),
      staging_(std::make_shared<store::StagingDir>(store.create_staging(purpose))) {
  std::filesystem::path upper = staging_->path() / "tree";
  make_directory(upper, 0755);
  upper_ = sys::Root::open(upper);
  if (below_.empty()) return;
  // The root of the image keeps its owner and mode through the new layer.
  struct stat st;
  if (::fstat(below_.back()->fd(), &st) < 0) base::throw_errno("stat layer");
  // A directory of the machine may be somebody's who has no id in our user namespace: then it is
  // ours.
  if ((::chown(upper.c_str(), st.st_uid, st.st_gid) < 0 && errno != EINVAL) ||
      ::chmod(upper.c_str(), st.st_mode & 07777) < 0)
    base::throw_errno("set owner of " + upper.string());
}

const sys::Root& Active::merged() {
  if (merged_) return merged_;
  sys::OverlayOptions options;
  options.lowers = lowers();
  sys::UniqueFd empty;
  if (options.lowers.empty()) options.lowers.push_back(empty_directory(*store_, empty));
  options.upper = upper_.fd();
  sys::UniqueFd work = make_work();
  options.work = work.get();
  options.is_volatile = true;
  options.userxattr = uses_user_xattrs();
  merged_ = sys::Root(sys::mount_overlay(options));
  return merged_;
}

Target Active::target() {
  return below_.empty() ? Target::fresh_root(upper_) : Target::root(merged(), upper_);
}

sys::UniqueFd Active::make_work() {
  std::filesystem::path path = staging_->path() / base::str("work", works_++);
  make_directory(path, 0700);
  return open_directory(path);
}

const sys::Root& Active::init() {
  if (!init_) {
    std::filesystem::path path = staging_->path() / "init";
    struct stat st;
    if (::fstat(upper_.fd(), &st) < 0) base::throw_errno("stat writable layer");
    make_directory(path, st.st_mode & 07777);
    if (::chown(path.c_str(), st.st_uid, st.st_gid) < 0)
      base::throw_errno("set owner of " + path.string());
    init_ = sys::Root::open(path);
  }
  return init_;
}

std::vector<int> Active::lowers() const {
  std::vector<int> fds = lower_fds(below_);
  if (init_) fds.insert(fds.begin(), init_.fd());
  return fds;
}

void Active::start_over(std::string_view purpose) {
  Active fresh(*store_, std::move(below_), purpose);
  *this = std::move(fresh);
}

TreePtr Active::commit() && {
  merged_ = sys::Root();
  return std::make_shared<Tree>(staging_->path() / "tree", staging_);
}

}  // namespace overlay
