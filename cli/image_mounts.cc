#include "cli/image_mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "overlay/snapshot.h"

namespace cli {

namespace {

constexpr std::string_view kPrefix = "mount-";
constexpr std::string_view kHeading = "torte-mount 1";
constexpr uint64_t kMaxRecordBytes = 64 << 10;

std::filesystem::path record_file(const store::Layout& layout, const std::string& id) {
  return layout.container(id) / "mount";
}

std::string this_boot() {
  return std::string(base::trim(
      sys::find_user_file("/proc/sys/kernel/random/boot_id", 4096).value_or("unknown")));
}

std::optional<uint64_t> namespace_of(const std::string& process) {
  struct stat st;
  const std::string path = "/proc/" + process + "/ns/mnt";
  if (::stat(path.c_str(), &st) < 0) return std::nullopt;
  return st.st_ino;
}

// Whether a process may be in that mount namespace. One we may not look into counts when it is ours:
// an ordinary user's shells of `torte unshare` cannot see each other's namespaces.
bool namespace_may_live(uint64_t name_space) {
  struct stat self;
  if (::stat("/proc/self", &self) < 0) return true;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::optional<uint64_t> other = namespace_of(name);
    if (other ? *other == name_space : false) return true;
    struct stat owner;
    if (!other && errno == EACCES && ::stat(entry.path().c_str(), &owner) == 0 &&
        owner.st_uid == self.st_uid)
      return true;
  }
  return false;
}

sys::UniqueFd open_directory(const std::filesystem::path& path) {
  sys::UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (fd) return fd;
  const std::string shown = base::printable(path.string());
  if (errno == ENOTDIR)
    throw base::Error(base::Code::kInvalid, shown + " is not a directory", "not-a-directory");
  if (errno == ENOENT)
    throw base::Error(base::Code::kNotFound, "directory " + shown + " does not exist",
                      "directory-missing")
        .add_help("make it first: images are mounted on directories that exist");
  base::throw_errno("open " + shown);
}

std::string path_of(const sys::UniqueFd& fd) {
  return sys::read_link_at(AT_FDCWD, base::str("/proc/self/fd/", fd.get()).c_str());
}

std::string device_of(int fd) {
  struct stat st;
  if (::fstat(fd, &st) < 0) base::throw_errno("stat the mount");
  return base::str(major(st.st_dev), ":", minor(st.st_dev));
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

sys::FileLock take_lock(const store::Layout& layout) {
  sys::make_directories(layout.locks());
  return sys::FileLock::acquire(layout.locks() / "mounts", sys::FileLock::Mode::kExclusive);
}

}  // namespace

std::string MountRecord::format() const {
  // The path ends the file, because it may hold any byte.
  return base::str(kHeading, "\n", boot, "\n", name_space, "\n", mount, "\n", device, "\n", image, "\n",
                   made_directory ? 1 : 0, "\n", point);
}

std::optional<MountRecord> MountRecord::parse(std::string_view text) {
  constexpr size_t kLines = 7;
  std::vector<std::string> lines;
  for (size_t i = 0; i < kLines; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  const auto name_space = number(lines[2]);
  const auto mount = number(lines[3]);
  if (lines[0] != kHeading || !name_space || !mount || !text.starts_with("/")) return std::nullopt;
  return MountRecord{.boot = lines[1],
                     .name_space = *name_space,
                     .mount = *mount,
                     .device = lines[4],
                     .image = lines[5],
                     .made_directory = lines[6] == "1",
                     .point = std::string(text)};
}

ImageMounts::ImageMounts(const store::Layout& layout) : layout_(layout), lock_(take_lock(layout)) {
  std::error_code absent;
  std::vector<std::string> ids;
  for (const auto& entry : std::filesystem::directory_iterator(layout_.containers(), absent))
    if (const std::string id = entry.path().filename(); id.starts_with(kPrefix)) ids.push_back(id);
  if (ids.empty()) return;
  const std::vector<sys::MountInfo> mounted = sys::list_mounts();
  const std::string boot = this_boot();
  const uint64_t here = namespace_of("self").value_or(0);
  for (const std::string& id : ids) {
    const auto text = sys::find_user_file(record_file(layout_, id), kMaxRecordBytes);
    const auto record = text ? MountRecord::parse(*text) : std::nullopt;
    const bool elsewhere = record && record->boot == boot && record->name_space != here;
    if (elsewhere && namespace_may_live(record->name_space)) continue;
    const auto live = std::find_if(mounted.begin(), mounted.end(), [&](const sys::MountInfo& each) {
      return record && !elsewhere && record->boot == boot && each.id == record->mount &&
             each.device == record->device;
    });
    // Without a whole record its maker died before it mounted anything: we hold the lock.
    if (live == mounted.end())
      sys::remove_tree(layout_.container(id));
    else
      mounts_.push_back({id, *record, live->point});
  }
  std::sort(mounts_.begin(), mounts_.end(), [](const ImageMount& a, const ImageMount& b) {
    return a.record.mount < b.record.mount;
  });
}

std::string ImageMounts::mount(store::Store& store, const store::ImageRecord& image,
                               const std::filesystem::path& point, bool made_directory) {
  sys::UniqueFd directory = open_directory(point);
  const std::string id = store::unique_name("mount");
  const std::filesystem::path record_directory = layout_.container(id);
  sys::make_directories(record_directory);
  try {
    store.set_container_uses(id, image);
    overlay::View view(store, overlay::open_stack(store, image.layers));
    // Whatever an image holds, it must not give rights to those who look at it.
    sys::set_mount_attributes(view.mount_fd(),
                              MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false);
    MountRecord record{.boot = this_boot(),
                       .name_space = namespace_of("self").value_or(0),
                       .mount = sys::mount_id(view.mount_fd()),
                       .device = device_of(view.mount_fd()),
                       .image = image.id.str(),
                       .made_directory = made_directory,
                       .point = path_of(directory)};
    // Before the mount can be seen: a mount without a record would lose its layers.
    sys::write_file_durably(record_file(layout_, id), record.format(), 0600);
    sys::attach_mount(view.mount_fd(), directory.get());
    mounts_.push_back({id, record, record.point});
    return record.point;
  } catch (...) {
    sys::remove_tree(record_directory);
    throw;
  }
}

const ImageMount* ImageMounts::at(const std::filesystem::path& directory) const {
  sys::UniqueFd fd = open_directory(directory);
  const uint64_t mount = sys::mount_id(fd.get());
  const std::string path = path_of(fd);
  for (const ImageMount& each : mounts_)
    if (each.record.mount == mount && each.point == path) return &each;
  return nullptr;
}

void ImageMounts::unmount(const ImageMount& mount, bool lazily) {
  try {
    sys::unmount(mount.point, lazily ? sys::Unmount::kLazily : sys::Unmount::kWhenUnused);
  } catch (const base::SystemError& e) {
    if (e.error_number() != EBUSY) throw;
    throw base::Error(base::Code::kUnavailable, base::printable(mount.point) + " is in use",
                      "mount-in-use")
        .add_help("end the programs that work in it, or use --force to take it out of sight now");
  }
  sys::remove_tree(layout_.container(mount.id));
  // Not ours to complain about when somebody put files there.
  if (mount.record.made_directory) ::rmdir(mount.record.point.c_str());
}

void forget_ended_mounts(const std::filesystem::path& root) {
  const store::Layout layout(root);
  if (std::filesystem::exists(layout.version())) ImageMounts mounts(layout);
}

}  // namespace cli
