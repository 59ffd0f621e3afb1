#include "cli/images/image_mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "cli/images/known_layers.h"
#include "overlay/packed_mount.h"
#include "overlay/snapshot.h"
#include "runner/container/prepare.h"

namespace cli {

namespace {

constexpr std::string_view kPrefix = "mount-";
constexpr std::string_view kContainer = "container:";
constexpr std::string_view kHeading = "torte-mount 1";
constexpr uint64_t kMaxRecordBytes = 64 << 10;

std::filesystem::path record_file(const store::Layout& layout, const std::string& id) {
  return layout.container(id) / "mount";
}

std::string this_boot() {
  return std::string(
      base::trim(sys::find_user_file("/proc/sys/kernel/random/boot_id", 4096).value_or("unknown")));
}

std::optional<uint64_t> namespace_of(const std::string& process, const char* kind = "mnt") {
  struct stat st;
  const std::string path = base::str("/proc/", process, "/ns/", kind);
  if (::stat(path.c_str(), &st) < 0) return std::nullopt;
  return st.st_ino;
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

struct ProcessFacts {
  uint64_t parent = 0;
  uint64_t start = 0;
};

// Everybody may read this much of everybody. [proc_pid_stat(5)]
std::optional<ProcessFacts> facts_of(uint64_t process) {
  constexpr size_t kParent = 1;
  constexpr size_t kStart = 19;
  const auto text = sys::find_user_file(base::str("/proc/", process, "/stat"), 4096);
  // The name stands in parentheses and may hold any byte.
  const size_t name_end = text ? text->rfind(") ") : std::string::npos;
  if (name_end == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields = base::split(text->substr(name_end + 2), ' ');
  if (fields.size() <= kStart) return std::nullopt;
  return ProcessFacts{number(fields[kParent]).value_or(0), number(fields[kStart]).value_or(0)};
}

// The process that brought this mount namespace with it: the shell of `torte unshare`, or init.
uint64_t find_leader(uint64_t name_space) {
  uint64_t leader = static_cast<uint64_t>(::getpid());
  while (const auto facts = facts_of(leader)) {
    if (facts->parent == 0 || namespace_of(std::to_string(facts->parent)) != name_space) break;
    leader = facts->parent;
  }
  return leader;
}

// Whether the mount namespace of a record, not our own, may still exist. Root sees all its
// processes. An ordinary user cannot look out of the user namespace, only at the leader.
bool namespace_may_live(const MountRecord& record) {
  if (namespace_of("self", "pid") != record.pid_namespace) return true;
  const auto leader = facts_of(record.leader);
  if (leader && leader->start == record.leader_start) return true;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (number(name) && namespace_of(name) == record.name_space) return true;
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

/// A detached mount of an image.
sys::UniqueFd open_image(store::Store& store, const store::ImageRecord& image,
                         Unpacking unpacking) {
  if (unpacking != Unpacking::kAlways) {
    const auto blobs = overlay::find_packed_layers(store, image.layers);
    if (blobs && (unpacking == Unpacking::kNever || overlay::can_serve_packed()))
      return overlay::mount_packed_image(store, *blobs);
    if (unpacking == Unpacking::kNever && !are_here(store, image.layers))
      throw base::Error(base::Code::kUnsupported,
                        "not all layers are in the store in a form that files can be read out of",
                        "not-packed")
          .add_help("torte pull --lazy fetches them; without --lazy the image is unpacked");
  }
  const overlay::View view(store, overlay::open_stack(store, image.layers));
  return sys::UniqueFd(::fcntl(view.mount_fd(), F_DUPFD_CLOEXEC, 3));
}

std::string device_of(int fd) {
  struct stat st;
  if (::fstat(fd, &st) < 0) base::throw_errno("stat the mount");
  return base::str(major(st.st_dev), ":", minor(st.st_dev));
}

sys::UniqueFd root_of_running(pid_t process) {
  try {
    return sys::clone_root_of(process);
  } catch (const base::SystemError& e) {
    if (e.error_number() != EPERM && e.error_number() != EACCES) throw;
    throw base::Error(base::Code::kDenied,
                      "the mounts of a running container belong to its user namespace",
                      "mount-denied")
        .add_help("torte stop it first; or look at it with torte exec and torte cp");
  }
}

sys::FileLock take_lock(const store::Layout& layout) {
  sys::make_directories(layout.locks());
  return sys::FileLock::acquire(layout.locks() / "mounts", sys::FileLock::Mode::kExclusive);
}

}  // namespace

std::string MountRecord::format() const {
  // The path ends the file, because it may hold any byte.
  return base::str(kHeading, "\n", boot, "\n", pid_namespace, " ", name_space, " ", leader, " ",
                   leader_start, " ", mount, "\n", device, "\n", image, "\n",
                   made_directory ? 1 : 0, "\n", point);
}

std::optional<MountRecord> MountRecord::parse(std::string_view text) {
  constexpr size_t kLines = 6;
  std::vector<std::string> lines;
  for (size_t i = 0; i < kLines; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  MountRecord record{.boot = lines[1],
                     .device = lines[3],
                     .image = lines[4],
                     .made_directory = lines[5] == "1",
                     .point = std::string(text)};
  uint64_t* const numbers[] = {&record.pid_namespace, &record.name_space, &record.leader,
                               &record.leader_start, &record.mount};
  const std::vector<std::string> words = base::split(lines[2], ' ');
  if (lines[0] != kHeading || words.size() != std::size(numbers) || !text.starts_with("/"))
    return std::nullopt;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto value = number(words[i]);
    if (!value) return std::nullopt;
    *numbers[i] = *value;
  }
  return record;
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
  std::vector<std::string> ended;
  for (const std::string& id : ids) {
    const auto text = sys::find_user_file(record_file(layout_, id), kMaxRecordBytes);
    const auto record = text ? MountRecord::parse(*text) : std::nullopt;
    const bool elsewhere = record && record->boot == boot && record->name_space != here;
    if (elsewhere && namespace_may_live(*record)) continue;
    const auto live = std::find_if(mounted.begin(), mounted.end(), [&](const sys::MountInfo& each) {
      return record && !elsewhere && record->boot == boot && each.id == record->mount &&
             each.device == record->device;
    });
    // Without a whole record its maker died before it mounted anything: we hold the lock.
    if (live == mounted.end()) {
      sys::remove_tree(layout_.container(id));
      if (record) ended.push_back(record->image);
    } else {
      mounts_.push_back({id, *record, live->point});
    }
  }
  for (const std::string& what : ended) forget_container(what);
  std::sort(mounts_.begin(), mounts_.end(), [](const ImageMount& a, const ImageMount& b) {
    return a.record.mount < b.record.mount;
  });
}

std::string ImageMounts::mount(store::Store& store, const store::ImageRecord& image,
                               const std::filesystem::path& point, bool made_directory,
                               Unpacking unpacking) {
  sys::UniqueFd directory = open_directory(point);
  const std::string id = store::unique_name("mount");
  const std::filesystem::path record_directory = layout_.container(id);
  sys::make_directories(record_directory);
  try {
    store.set_container_uses(id, image);
    const sys::UniqueFd files = open_image(store, image, unpacking);
    // Whatever an image holds, it must not give rights to those who look at it.
    sys::set_mount_attributes(files.get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                              false);
    return put(id, files.get(), image.id.str(), directory, made_directory);
  } catch (...) {
    sys::remove_tree(record_directory);
    throw;
  }
}

std::string ImageMounts::put(const std::string& id, int mount, const std::string& what,
                             const sys::UniqueFd& directory, bool made_directory) {
  const uint64_t here = namespace_of("self").value_or(0);
  const uint64_t leader = find_leader(here);
  MountRecord record{.boot = this_boot(),
                     .pid_namespace = namespace_of("self", "pid").value_or(0),
                     .name_space = here,
                     .leader = leader,
                     .leader_start = facts_of(leader).value_or(ProcessFacts{}).start,
                     .mount = sys::mount_id(mount),
                     .device = device_of(mount),
                     .image = what,
                     .made_directory = made_directory,
                     .point = path_of(directory)};
  // Before the mount can be seen: a mount without a record would lose its layers.
  sys::write_file_durably(record_file(layout_, id), record.format(), 0600);
  sys::attach_mount(mount, directory.get());
  mounts_.push_back({id, record, record.point});
  return record.point;
}

std::string ImageMounts::mount_container(container::Containers& containers,
                                         const std::string& container,
                                         const std::filesystem::path& point, bool made_directory) {
  const sys::UniqueFd directory = open_directory(point);
  const container::Record record = containers.read(container);
  sys::UniqueFd mount;
  std::optional<container::Claim> claim;
  if (record.state.is_live() && container::open_main_process(record.state)) {
    mount = root_of_running(record.state.pid);
  } else {
    claim.emplace(containers.claim(container));
    mount = sys::UniqueFd(::fcntl(container::mount_stopped(containers, *claim, record.config).fd(),
                                  F_DUPFD_CLOEXEC, 3));
  }
  sys::set_mount_attributes(mount.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false);
  const std::string id = store::unique_name("mount");
  sys::make_directories(layout_.container(id));
  sys::write_file_durably(containers.home(container).mounted(), this_boot() + "\n", 0600);
  try {
    return put(id, mount.get(), mounted_container(container), directory, made_directory);
  } catch (...) {
    sys::remove_tree(layout_.container(id));
    forget_container(mounted_container(container));
    throw;
  }
}

void ImageMounts::forget_container(const std::string& what) const {
  if (!what.starts_with(kContainer)) return;
  for (const ImageMount& other : mounts_)
    if (other.record.image == what) return;
  std::error_code absent;
  std::filesystem::remove(container::Home(layout_, what.substr(kContainer.size())).mounted(),
                          absent);
}

std::string mounted_container(const std::string& id) { return std::string(kContainer) + id; }

const ImageMount* ImageMounts::at(const std::filesystem::path& directory) const {
  sys::UniqueFd fd = open_directory(directory);
  const uint64_t mount = sys::mount_id(fd.get());
  const std::string path = path_of(fd);
  for (const ImageMount& each : mounts_)
    if (each.record.mount == mount && each.point == path) return &each;
  return nullptr;
}

void take_away_mount(const std::string& point, bool lazily) {
  try {
    sys::unmount(point, lazily ? sys::Unmount::kLazily : sys::Unmount::kWhenUnused);
  } catch (const base::SystemError& e) {
    if (e.error_number() != EBUSY) throw;
    throw base::Error(base::Code::kUnavailable, base::printable(point) + " is in use",
                      "mount-in-use")
        .add_help("end the programs that work in it, or use --force to take it out of sight now");
  }
}

void ImageMounts::unmount(const ImageMount& mount, bool lazily) {
  take_away_mount(mount.point, lazily);
  const ImageMount gone = mount;
  sys::remove_tree(layout_.container(gone.id));
  std::erase_if(mounts_, [&](const ImageMount& each) { return each.id == gone.id; });
  forget_container(gone.record.image);
  // Not ours to complain about when somebody put files there.
  if (gone.record.made_directory) ::rmdir(gone.record.point.c_str());
}

std::vector<std::string> mounts_by_source(const std::filesystem::path& root) {
  const std::string source = overlay::view_source(root);
  std::vector<std::string> points;
  for (sys::MountInfo& each : sys::list_mounts())
    if (each.source == source) points.push_back(std::move(each.point));
  std::reverse(points.begin(), points.end());
  return points;
}

void forget_ended_mounts(const std::filesystem::path& root) {
  const store::Layout layout(root);
  if (std::filesystem::exists(layout.version())) ImageMounts mounts(layout);
}

}  // namespace cli
