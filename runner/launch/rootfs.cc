#include "runner/launch/rootfs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/sys/mount.h"
#include "base/sys/overlay_mount.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"

namespace launch {

namespace {

struct Target {
  sys::RootedPath path;
  bool is_directory = true;
};

constexpr const char* kDirectories[] = {"proc", "dev", "sys", "etc", "run", "tmp"};
constexpr const char* kFiles[] = {"etc/hosts", "etc/hostname", "etc/resolv.conf"};

/// What must exist in the root itself. A target below another mount is none of the root's business.
std::vector<Target> targets_in_root(const Spec& spec) {
  std::vector<Target> targets = {
      {sys::RootedPath("/proc")}, {sys::RootedPath("/dev")}, {sys::RootedPath("/sys")}};
  auto add = [&](const sys::RootedPath& path, bool is_directory) {
    bool inside = std::any_of(targets.begin(), targets.end(), [&](const Target& other) {
      return other.is_directory && path != other.path && path.is_within(other.path);
    });
    if (!inside) targets.push_back({path, is_directory});
  };
  if (spec.hosts) add(sys::RootedPath("/etc/hosts"), false);
  if (spec.resolv_conf) add(sys::RootedPath("/etc/resolv.conf"), false);
  if (spec.hostname_file) add(sys::RootedPath("/etc/hostname"), false);
  for (const Mount& mount : spec.mounts) add(mount.target, mount_is_directory(mount));
  return targets;
}

std::vector<Target> missing_targets(const Spec& spec, const sys::Root& root) {
  std::vector<Target> missing;
  for (Target& target : targets_in_root(spec))
    if (!root.find_at(target.path, O_PATH)) missing.push_back(std::move(target));
  return missing;
}

/// Makes `directory` in the init layer look like the image's own, for overlayfs shows the topmost.
void copy_attributes(const struct stat& status, const sys::Xattrs& xattrs, int directory_fd) {
  if (::fchown(directory_fd, status.st_uid, status.st_gid) < 0 ||
      ::fchmod(directory_fd, status.st_mode & 07777) < 0)
    base::throw_errno("set owner and mode in the init layer");
  for (const auto& [name, value] : xattrs) sys::set_xattr(directory_fd, name, value);
}

/// One target in the init layer. Directories that the image has are copied without their content,
/// and their times are set last, when nothing more is created in them.
void add_stub(const sys::Root& image, int init_layer, const Target& target,
              const std::string& content = {}) {
  sys::RootedPath path = image.resolve(target.path);
  std::vector<std::string> names = path.components();
  sys::UniqueFd current = sys::open_nofollow_at(init_layer, ".", O_RDONLY | O_DIRECTORY);
  sys::RootedPath at;
  std::vector<std::pair<sys::UniqueFd, struct stat>> copied;
  auto copy_from_image = [&] {
    auto found = image.find_at(at, O_RDONLY | O_DIRECTORY);
    struct stat status;
    if (!found || ::fstat(found->get(), &status) < 0) return;
    copy_attributes(status, sys::list_xattrs(found->get()), current.get());
    copied.emplace_back(current.duplicate(), status);
  };
  copy_from_image();
  for (size_t i = 0; i < names.size(); ++i) {
    if (i + 1 == names.size() && !target.is_directory) {
      sys::UniqueFd file(::openat(current.get(), names[i].c_str(),
                                  O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644));
      if (!file) base::throw_errno("create " + path.str() + " in the init layer");
      sys::write_all(file.get(), base::as_bytes(content), path.str());
      break;
    }
    if (::mkdirat(current.get(), names[i].c_str(), 0755) < 0 && errno != EEXIST)
      base::throw_errno("create " + path.str() + " in the init layer");
    current = sys::open_nofollow_at(current.get(), names[i].c_str(), O_RDONLY | O_DIRECTORY);
    at = at.join(names[i]);
    copy_from_image();
  }
  for (auto& [directory, status] : copied) {
    const timespec times[2] = {status.st_atim, status.st_mtim};
    ::futimens(directory.get(), times);
  }
}

sys::OverlayOptions overlay_options(const RootFs& root, bool with_init_layer) {
  sys::OverlayOptions options;
  if (with_init_layer) options.lowers.push_back(root.init_layer);
  options.lowers.insert(options.lowers.end(), root.lowers.begin(), root.lowers.end());
  if (root.stubs >= 0) options.lowers.push_back(root.stubs);
  options.upper = root.upper;
  options.work = root.work;
  options.is_volatile = root.is_volatile && root.upper >= 0;
  options.userxattr = root.userxattr;
  options.id_map = root.id_map;
  options.id_map_uid = root.id_map_uid;
  options.id_map_gid = root.id_map_gid;
  return options;
}

/// The same tree to look at, with the ids on disk.
sys::UniqueFd mount_view(const RootFs& root, bool with_init_layer) {
  sys::OverlayOptions options = overlay_options(root, with_init_layer);
  if (options.upper >= 0) options.lowers.insert(options.lowers.begin(), options.upper);
  options.upper = options.work = options.id_map = -1;
  options.is_volatile = false;
  return sys::mount_overlay(options);
}

/// With mapped ids: targets are made by what is on disk, then it is mounted once.
sys::UniqueFd make_mapped_root(const Spec& spec) {
  const RootFs& root = spec.root;
  bool with_init_layer = root.init_layer >= 0 && !sys::list_names(root.init_layer).empty();
  if (root.init_layer >= 0) {
    const sys::Root image(mount_view(root, with_init_layer));
    for (const Target& target : missing_targets(spec, image)) {
      add_stub(image, root.init_layer, target);
      with_init_layer = true;
    }
  }
  return sys::mount_overlay(overlay_options(root, with_init_layer));
}

/// RootFs::files. Layers may not change below a mounted overlay, so this comes before it.
void write_files(const RootFs& root) {
  if (root.files.empty()) return;
  CHECK(root.init_layer >= 0);
  const sys::Root image(mount_view(root, true));
  for (const RootFs::File& file : root.files)
    add_stub(image, root.init_layer, {file.path, false}, file.content);
}

bool is_empty(int directory) { return sys::list_names(directory).empty(); }

}  // namespace

void fill_stub_layer(int directory_fd) {
  for (const char* name : kDirectories)
    if (::mkdirat(directory_fd, name, 0755) < 0 && errno != EEXIST)
      base::throw_errno(std::string("create stub ") + name);
  for (const char* name : kFiles) {
    sys::UniqueFd file(::openat(directory_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    if (!file) base::throw_errno(std::string("create stub ") + name);
  }
  if (::symlinkat("/proc/mounts", directory_fd, "etc/mtab") < 0 && errno != EEXIST)
    base::throw_errno("create stub etc/mtab");
}

bool mount_is_directory(const Mount& mount) {
  if (mount.kind == Mount::Kind::kTmpfs || mount.kind == Mount::Kind::kDevpts) return true;
  if (mount.kind == Mount::Kind::kFile) return false;
  struct stat own;
  if (::fstat(mount.source.get(), &own) < 0) base::throw_errno("mount " + mount.target.str());
  if (mount.source_path.is_root()) return S_ISDIR(own.st_mode);
  auto status = sys::Root(mount.source.duplicate()).stat(mount.source_path);
  if (!status)
    throw base::Error(
        base::Code::kNotFound,
        "mount " + mount.target.str() + ": no " + mount.source_path.str() + " in its source",
        "mount-source-missing");
  return S_ISDIR(status->st_mode);
}

sys::UniqueFd make_root(Spec& spec) {
  RootFs& root = spec.root;
  if (root.mount) {
    if (root.id_map >= 0) sys::map_mount_ids(root.mount.get(), root.id_map, "the root");
    return std::move(root.mount);
  }
  write_files(root);
  if (root.id_map >= 0) return make_mapped_root(spec);
  bool used_before = root.init_layer >= 0 && !is_empty(root.init_layer);
  sys::UniqueFd mount = sys::mount_overlay(overlay_options(root, used_before));
  if (root.init_layer < 0) return mount;
  {
    sys::Root image(mount.duplicate());
    std::vector<Target> missing = missing_targets(spec, image);
    if (missing.empty()) return mount;
    for (const Target& target : missing) add_stub(image, root.init_layer, target);
  }
  // Layers may not change below a mounted overlay, so it is mounted anew.
  mount.reset();
  if (root.is_volatile && root.work >= 0) sys::remove_tree_at(root.work, "work");
  return sys::mount_overlay(overlay_options(root, true));
}

}  // namespace launch
