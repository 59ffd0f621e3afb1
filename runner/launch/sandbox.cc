#include "runner/launch/sandbox.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/sys/mount.h"
#include "base/sys/root.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "runner/launch/cgroup.h"
#include "runner/launch/rootfs.h"
#include "runner/launch/sandbox_process.h"
#include "runner/launch/sandbox_table.h"

namespace launch {

namespace {

using wire::Kind;
using wire::OnError;

constexpr uint64_t kInside = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
constexpr uint64_t kNoSuidExecDev = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;
constexpr uint64_t kHidden = kNoSuidExecDev | MOUNT_ATTR_RDONLY;
constexpr uint64_t kTerminals = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
constexpr std::string_view kPts = "/dev/pts";

/// Writes the plan; one method for each part of the table.
class Composer {
 public:
  Composer(const Spec& spec, const CgroupDemands& cgroup, Held& held)
      : spec_(spec),
        cgroup_(cgroup),
        held_(held),
        real_devices_(sys::in_initial_user_namespace() && spec.user_namespace < 0) {}

  Plan compose_join(int target) {
    int slot = plan_.inherit(target);
    inherit_further();
    add(Kind::kResetSignals, "reset signals");
    if (cgroup_.wait_for_parent) add(Kind::kWaitForParent, "wait for the cgroup");
    add(Kind::kHideFromOthers, "hide from the container");
    uint64_t namespaces =
        CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;
    if (spec_.joins_user_namespace) namespaces |= CLONE_NEWUSER;
    add(Kind::kSetNamespace, "join the container's namespaces", {.a = slot, .x = namespaces});
    add(Kind::kClose, "close", {.a = slot});
    if (spec_.joins_user_namespace) become_root();
    add(Kind::kSplitOff, "enter the container's pid namespace");
    // The join made the container's root our working directory.
    root_ = plan_.new_slot();
    add(Kind::kOpen, "open the container's root",
        {.a = root_, .b = -1, .x = O_PATH | O_DIRECTORY, .y = kInside}, strings({"/"}));
    if (spec_.tty) {
      pts_ = open("/dev/pts", O_PATH | O_DIRECTORY, kInside | RESOLVE_NO_SYMLINKS);
      terminal();
    }
    plan_process(plan_, root_, further_, spec_, cgroup_);
    return std::move(plan_);
  }

  Plan compose(int root_fd) {
    inherit(root_fd);
    begin();
    attach_sources();
    attach_root();
    mount_proc();
    mount_dev();
    mount_sys();
    mount_files();
    for (size_t i = 0; i < spec_.mounts.size(); ++i) mount_user(spec_.mounts[i], sources_[i]);
    console();
    hide();
    finish_root();
    plan_process(plan_, root_, further_, spec_, cgroup_);
    return std::move(plan_);
  }

 private:
  wire::Operation& add(Kind kind, std::string what, wire::Operation fields = {},
                       std::string_view text = {}) {
    return plan_.add(kind, std::move(what), fields, text);
  }

  void inherit(int root_fd) {
    root_ = inherit_one(root_fd);
    for (const Mount& mount : spec_.mounts) {
      int slot = -1;
      if (mount.kind == Mount::Kind::kBind) slot = inherit_one(bind_source(mount));
      sources_.push_back(slot);
    }
    if (!real_devices_) {
      for (const DeviceNode& device : kDevices)
        device_mounts_.push_back(inherit_one(held_.hold(
            sys::clone_mount(AT_FDCWD, base::str("/dev/", device.name).c_str(), false))));
    }
    // Only the owner of the network namespace may mount sysfs, which shows it.
    if (!real_devices_ && !owns_network())
      host_sys_ = inherit_one(held_.hold(sys::clone_mount(AT_FDCWD, "/sys", true)));
    // A group's root that is not ours cannot be mounted anew either.
    else if (spec_.host_cgroup)
      host_groups_ = inherit_one(held_.hold(sys::clone_mount(AT_FDCWD, "/sys/fs/cgroup", true)));
    // Likewise proc and the pid namespace it shows.
    if (!real_devices_ && spec_.host_pid)
      host_proc_ = inherit_one(held_.hold(sys::clone_mount(AT_FDCWD, "/proc", true)));
    if (cgroup_.pid_max_file >= 0) pid_max_file_ = plan_.inherit(cgroup_.pid_max_file);
    for (const auto& [fd, type, what] :
         {Joined{spec_.network == Network::kJoin ? spec_.network_namespace : -1, CLONE_NEWNET,
                 "join network namespace"},
          Joined{spec_.ipc_namespace, CLONE_NEWIPC, "join ipc namespace"},
          Joined{spec_.uts_namespace, CLONE_NEWUTS, "join uts namespace"},
          Joined{spec_.pid_namespace, CLONE_NEWPID, "join pid namespace"},
          // Last: inside it we have no rights over the others any more.
          Joined{spec_.user_namespace, CLONE_NEWUSER, "enter user namespace"}})
      if (fd >= 0) joined_.push_back({inherit_one(fd), type, what});
    inherit_further();
  }

  void inherit_further() {
    for (const int fd : spec_.further_fds) further_.push_back(inherit_one(fd));
  }

  /// Whether the container's network namespace belongs to our user namespace.
  bool owns_network() const {
    if (spec_.network != Network::kJoin) return spec_.network == Network::kNone;
    sys::UniqueFd owner(::ioctl(spec_.network_namespace, NS_GET_USERNS));
    struct stat theirs, ours;
    const int is_ours = spec_.user_namespace >= 0 ? ::fstat(spec_.user_namespace, &ours)
                                                  : ::stat("/proc/self/ns/user", &ours);
    return owner && is_ours == 0 && ::fstat(owner.get(), &theirs) == 0 &&
           theirs.st_ino == ours.st_ino;
  }

  /// The program's own streams will be 0, 1 and 2, so what the plan names must not be.
  int inherit_one(int fd) {
    if (fd > 2) return plan_.inherit(fd);
    int high = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (high < 0) base::throw_errno("duplicate descriptor");
    return plan_.inherit(held_.hold(sys::UniqueFd(high)));
  }

  int bind_source(const Mount& mount) {
    if (mount.source_is_detached) return mount.source.get();
    return base::with_context("mount " + mount.target.str(), [&] {
      sys::Root source(mount.source.duplicate());
      sys::UniqueFd found;
      if (!mount.source_path.is_root()) found = source.open_at(mount.source_path, O_PATH);
      sys::UniqueFd clone = sys::clone_mount(found ? found.get() : source.fd(), "", mount.recursive,
                                             mount.propagation);
      if (mount.map_ids && spec_.root.id_map >= 0)
        sys::map_mount_ids(clone.get(), spec_.root.id_map, mount.target.str());
      return held_.hold(std::move(clone));
    });
  }

  // --- namespaces and the root ---

  void begin() {
    add(Kind::kResetSignals, "reset signals");
    // Modes in this plan are meant as they are written; the program's own mask comes last.
    add(Kind::kUmask, "clear umask", {.c = 0});
    if (cgroup_.wait_for_parent) add(Kind::kWaitForParent, "wait for the cgroup");
    if (pid_max_file_ >= 0 && !cgroup_.split_off) see_whose_pid_max();
    for (const Joined& joined : joined_) {
      add(Kind::kSetNamespace, joined.what, {.a = joined.fd, .x = joined.type});
      add(Kind::kClose, "close", {.a = joined.fd});
    }
    if (spec_.user_namespace >= 0) become_root();
    if (cgroup_.unshared != 0) add(Kind::kUnshare, "create namespaces", {.x = cgroup_.unshared});
    if (cgroup_.split_off) {
      add(Kind::kSplitOff, "enter the pid namespace");
      if (pid_max_file_ >= 0) see_whose_pid_max();
    }
    if (!spec_.host_uts && spec_.uts_namespace < 0) {
      add(Kind::kHostname, "set host name " + base::printable(spec_.hostname), {},
          strings({spec_.hostname}));
      add(Kind::kDomainname, "set domain name", {}, strings({spec_.domainname}));
    }
    if (spec_.network == Network::kNone) add(Kind::kLoopbackUp, "bring up the loopback interface");
    add(Kind::kPrivateMounts, "make mounts private");
  }

  /// Whoever enters a user namespace has every right in it, but is nobody it knows.
  void become_root() {
    if (sys::userns_mode() != sys::UsernsMode::kSingle) add(Kind::kGroups, "set groups");
    add(Kind::kIdentity, "become root of the user namespace",
        {.c = static_cast<int>(spec_.inner_uid),
         .d = static_cast<int>(spec_.inner_gid),
         .x = ~uint64_t{0}});
  }

  /// Parts of a mount can only be cloned once it is attached somewhere. A directory of the old root
  /// that surely exists does: what is stacked there goes with it. (Not "/" itself: that is where
  /// ours will be, and unmounting the old root means the topmost mount there.)
  void attach_sources() {
    bool files = spec_.hosts || spec_.resolv_conf || spec_.hostname_file;
    for (size_t i = 0; i < spec_.mounts.size(); ++i) {
      const Mount& mount = spec_.mounts[i];
      if (mount.kind == Mount::Kind::kFile) files = true;
      if (takes_part_of_detached(mount))
        add(Kind::kAttachOutside, "attach the source of " + mount.target.str(), {.a = sources_[i]},
            strings({"/proc"}));
    }
    if (!files) return;
    files_ = new_file_system("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                             strings({"mode", "700"}), "files");
    add(Kind::kAttachOutside, "attach files", {.a = files_}, strings({"/proc"}));
  }

  static bool takes_part_of_detached(const Mount& mount) {
    return mount.source_is_detached && !mount.source_path.is_root();
  }

  void see_whose_pid_max() {
    add(Kind::kExpectOther, "see whether pid_max is per namespace", {.b = pid_max_file_},
        strings({kPidMaxPath}));
    add(Kind::kClose, "close", {.a = pid_max_file_});
  }

  void attach_root() {
    add(Kind::kAttachOutside, "attach the root", {.a = root_}, strings({"/"}));
    add(Kind::kEnterDirectory, "enter the root", {.a = root_});
    uint64_t attributes = spec_.privileged ? 0 : MOUNT_ATTR_NODEV;
    if (attributes != 0) set_attributes(root_, attributes, "the root");
  }

  void finish_root() {
    add(Kind::kMakeTarget, "create working directory " + base::printable(spec_.cwd),
        {.b = root_, .c = 1}, strings({sys::RootedPath(spec_.cwd).str()}));
    if (spec_.root.read_only) set_attributes(root_, MOUNT_ATTR_RDONLY, "the root");
    add(Kind::kPivot, "change root", {.a = root_});
  }

  void set_attributes(int slot, uint64_t attributes, const std::string& what,
                      bool recursive = false) {
    add(Kind::kSetAttributes, "set mount flags of " + what,
        {.a = slot, .c = recursive ? 1 : 0, .x = attributes});
  }

  int open(const std::string& path, uint64_t flags, uint64_t resolve = kInside) {
    int slot = plan_.new_slot();
    add(Kind::kOpen, "open " + path, {.a = slot, .b = root_, .x = flags, .y = resolve},
        strings({path}));
    return slot;
  }

  /// A new file system; `options` are key, value pairs, an empty value is a flag.
  int new_file_system(const char* type, uint64_t attributes, const std::string& options,
                      const std::string& what) {
    int slot = plan_.new_slot();
    add(Kind::kNewFileSystem, base::str("mount ", type, " for ", what),
        {.a = slot, .x = attributes}, strings({type, "source", type}) + options);
    return slot;
  }

  /// The usual case: a new file system on a real directory of the root, which may not be a link.
  int mount_on(const std::string& path, const char* type, uint64_t attributes,
               const std::string& options) {
    make_target(path, true);
    int target = open(path, O_PATH | O_DIRECTORY, kInside | RESOLVE_NO_SYMLINKS);
    int mount = new_file_system(type, attributes, options, path);
    attach(mount, target, path);
    return mount;
  }

  /// A file system of the host's at the same place.
  void attach_host(int mount, const char* path, uint64_t attributes) {
    make_target(path, true);
    int target = open(path, O_PATH | O_DIRECTORY, kInside | RESOLVE_NO_SYMLINKS);
    set_attributes(mount, attributes, path, true);
    attach(mount, target, path);
  }

  void attach(int mount, int target, const std::string& what) {
    add(Kind::kAttach, "attach mount at " + what, {.a = mount, .b = target});
    add(Kind::kClose, "close", {.a = target});
  }

  void make_target(const std::string& path, bool directory) {
    add(Kind::kMakeTarget, "create mount target " + path, {.b = root_, .c = directory ? 1 : 0},
        strings({path}));
  }

  // --- the file systems every container has ---

  void mount_proc() {
    if (host_proc_ >= 0)
      attach_host(proc_ = host_proc_, "/proc", kNoSuidExecDev);
    else
      proc_ = mount_on("/proc", "proc", kNoSuidExecDev, "");
    for (const auto& [name, value] : spec_.sysctls) {
      std::string path = "sys/" + name;
      std::replace(path.begin() + 4, path.end(), '.', '/');
      add(Kind::kWriteFile, "set kernel parameter " + base::printable(name), {.b = proc_},
          strings({path}) + value);
    }
    if (cgroup_.pid_max > 0)
      add(Kind::kWriteFile, "limit processes", {.b = proc_},
          strings({"sys/kernel/pid_max"}) + std::to_string(cgroup_.pid_max));
  }

  bool is_user_target(std::string_view path) const {
    return std::any_of(spec_.mounts.begin(), spec_.mounts.end(),
                       [&](const Mount& mount) { return mount.target.str() == path; });
  }

  void mount_dev() {
    dev_ = mount_on("/dev", "tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_STRICTATIME,
                    strings({"mode", "755", "size", "67108864"}));
    for (size_t i = 0; i < std::size(kDevices); ++i) device(kDevices[i], i);
    for (const char* name : {"pts", "shm", "mqueue"})
      add(Kind::kMakeDirectory, base::str("create /dev/", name), {.b = dev_, .c = 0755},
          strings({name}));
    link("/proc/self/fd", "fd");
    link("/proc/self/fd/0", "stdin");
    link("/proc/self/fd/1", "stdout");
    link("/proc/self/fd/2", "stderr");
    link("pts/ptmx", "ptmx");
    pts_ = mount_on("/dev/pts", "devpts", kTerminals, terminal_options());
    // A mount of the caller's own at the same place takes its stead, it does not hide it.
    if (!is_user_target("/dev/shm"))
      mount_on("/dev/shm", "tmpfs", kNoSuidExecDev,
               strings({"mode", "1777", "size", std::to_string(spec_.shm_bytes)}));
    if (!spec_.host_ipc && spec_.ipc_namespace < 0)
      mount_on("/dev/mqueue", "mqueue", kNoSuidExecDev, "");
  }

  std::string terminal_options() const {
    for (const Mount& mount : spec_.mounts)
      if (mount.kind == Mount::Kind::kDevpts && mount.target.str() == kPts)
        return options_of(mount);
    std::string options = strings({"ptmxmode", "0666", "mode", "0620"});
    // The number of group tty, if there is such an id here.
    if (sys::userns_mode() != sys::UsernsMode::kSingle) options += strings({"gid", "5"});
    return options;
  }

  /// A tmpfs or devpts of the caller's.
  static std::string options_of(const Mount& mount) {
    std::string options = strings({"mode", octal(mount.mode)});
    if (mount.size_bytes > 0) options += strings({"size", std::to_string(mount.size_bytes)});
    if (mount.kind != Mount::Kind::kDevpts) return options;
    options += strings({"ptmxmode", "0666"});
    if (mount.uid != 0) options += strings({"uid", std::to_string(mount.uid)});
    if (mount.gid != 0) options += strings({"gid", std::to_string(mount.gid)});
    if (mount.most > 0) options += strings({"max", std::to_string(mount.most)});
    return options;
  }

  /// mknod where we may, else the host's node bound to a file; checked to be the device it should
  /// be.
  void device(const DeviceNode& device, size_t index) {
    std::string what = base::str("/dev/", device.name);
    int node = plan_.new_slot();
    if (real_devices_) {
      add(Kind::kMakeNode, "create " + what, {.b = dev_, .c = S_IFCHR | 0666, .x = device.number()},
          strings({device.name}));
      add(Kind::kOpen, "open " + what,
          {.a = node, .b = dev_, .x = O_PATH | O_NOFOLLOW, .y = RESOLVE_BENEATH},
          strings({device.name}));
      add(Kind::kCheckDevice, "check " + what, {.a = node, .x = device.number()});
    } else {
      int mount = device_mounts_[index];
      add(Kind::kCheckDevice, "check " + what, {.a = mount, .x = device.number()});
      set_attributes(mount, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, what);
      add(Kind::kMakeFile, "create " + what, {.a = node, .b = dev_, .c = 0666},
          strings({device.name}));
      add(Kind::kAttach, "attach " + what, {.a = mount, .b = node});
      add(Kind::kClose, "close", {.a = node});
      node = mount;
    }
    if (index == 0)
      null_ = node;
    else if (real_devices_)
      add(Kind::kClose, "close", {.a = node});
  }

  void link(std::string_view content, std::string_view name) {
    add(Kind::kMakeLink, base::str("create /dev/", name), {.b = dev_}, strings({content, name}));
  }

  void mount_sys() {
    uint64_t attributes = spec_.privileged ? kNoSuidExecDev : kHidden;
    if (host_sys_ >= 0) {
      attach_host(host_sys_, "/sys", attributes);
      return;
    }
    mount_on("/sys", "sysfs", attributes, "");
    if (host_groups_ >= 0) {
      const int place = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY, kInside | RESOLVE_NO_SYMLINKS);
      set_attributes(host_groups_, attributes, "/sys/fs/cgroup", true);
      return attach(host_groups_, place, "/sys/fs/cgroup");
    }
    // A kernel without sysfs support for cgroups has no such directory.
    int target = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY, kInside | RESOLVE_NO_SYMLINKS);
    plan_.last().on_error = OnError::kSkipIfAbsent;
    plan_.last().skip = 3;
    int mount = new_file_system("cgroup2", spec_.writable_cgroup ? kNoSuidExecDev : attributes, "",
                                "/sys/fs/cgroup");
    attach(mount, target, "/sys/fs/cgroup");
  }

  // --- files, user mounts ---

  /// Files with content live on one tmpfs that is itself visible nowhere; each is bound to its
  /// place.
  void mount_files() {
    auto add_file = [&](const char* path, const std::optional<std::string>& content) {
      if (!content) return;
      Mount mount;
      mount.kind = Mount::Kind::kFile;
      mount.target = sys::RootedPath(path);
      mount.content = *content;
      mount.mode = 0644;
      mount.executable = false;
      mount_file(mount);
    };
    add_file("/etc/hosts", spec_.hosts);
    add_file("/etc/resolv.conf", spec_.resolv_conf);
    add_file("/etc/hostname", spec_.hostname_file);
  }

  void mount_file(const Mount& mount) {
    int file = plan_.new_slot();
    int clone = plan_.new_slot();
    std::string what = mount.target.str();
    add(Kind::kMakeFile, "write " + what,
        {.a = file,
         .b = files_,
         .c = static_cast<int>(mount.mode & 07777),
         .x = mount.uid,
         .y = mount.gid},
        strings({std::to_string(file_count_++)}) + mount.content);
    add(Kind::kCloneTree, "bind " + what, {.a = clone, .b = file});
    add(Kind::kClose, "close", {.a = file});
    uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    if (!mount.executable) attributes |= MOUNT_ATTR_NOEXEC;
    set_attributes(clone, attributes, what);
    make_target(what, false);
    attach(clone, open(what, O_PATH), what);
  }

  void mount_user(const Mount& mount, int source) {
    std::string what = mount.target.str();
    if (mount.target.is_root())
      throw base::Error(base::Code::kInvalid, "a mount cannot replace the root directory",
                        "mount-target-root");
    if (mount.kind == Mount::Kind::kFile) return mount_file(mount);
    uint64_t attributes = 0;
    if (mount.read_only) attributes |= MOUNT_ATTR_RDONLY;
    if (!mount.executable) attributes |= MOUNT_ATTR_NOEXEC;
    if (!mount.devices) attributes |= MOUNT_ATTR_NODEV;
    const bool terminals = mount.kind == Mount::Kind::kDevpts;
    if (terminals && what == kPts) return;
    if (terminals || mount.kind == Mount::Kind::kTmpfs) {
      if (terminals) attributes = kTerminals;
      make_target(what, true);
      int target = open(what, O_PATH | O_DIRECTORY);
      int made = new_file_system(terminals ? "devpts" : "tmpfs", attributes | MOUNT_ATTR_NOSUID,
                                 options_of(mount), what);
      attach(made, target, what);
      return;
    }
    if (takes_part_of_detached(mount)) source = clone_inside(mount, source);
    if (attributes != 0) set_attributes(source, attributes, what, mount.recursive);
    make_target(what, mount_is_directory(mount));
    attach(source, open(what, O_PATH), what);
  }

  int clone_inside(const Mount& mount, int source) {
    std::string what = mount.target.str();
    int found = plan_.new_slot();
    int clone = plan_.new_slot();
    add(Kind::kOpen, "open " + mount.source_path.str() + " in the source of " + what,
        {.a = found, .b = source, .x = O_PATH, .y = kInside}, strings({mount.source_path.str()}));
    add(Kind::kCloneTree, "bind " + what, {.a = clone, .b = found, .x = mount.recursive ? 1u : 0u});
    add(Kind::kClose, "close", {.a = found});
    return clone;
  }

  static std::string octal(mode_t mode) {
    char text[16];
    snprintf(text, sizeof text, "%o", mode & 07777);
    return text;
  }

  void console() {
    if (!spec_.tty) return;
    int ours = terminal();
    int file = plan_.new_slot();
    int mount = plan_.new_slot();
    add(Kind::kMakeFile, "create /dev/console", {.a = file, .b = dev_, .c = 0600},
        strings({"console"}));
    add(Kind::kCloneTree, "bind /dev/console", {.a = mount, .b = ours});
    attach(mount, file, "/dev/console");
    add(Kind::kClose, "close", {.a = ours});
  }

  int terminal() {
    int slot = plan_.new_slot();
    add(Kind::kTerminal, "open terminal",
        {.a = slot,
         .b = pts_,
         .c = spec_.tty_rows,
         .d = spec_.tty_columns,
         .x = spec_.identity.uid});
    return slot;
  }

  // --- what is hidden ---

  bool unmasked(std::string_view path) const {
    return spec_.privileged ||
           std::any_of(spec_.unmask.begin(), spec_.unmask.end(), [&](const std::string& pattern) {
             return pattern == path || pattern == "ALL";
           });
  }

  void hide() {
    std::vector<std::pair<int, std::string>> attached;
    for (const Hidden& hidden : kMasked)
      if (!unmasked(hidden.path))
        attached.emplace_back(mask(hidden.path, hidden.is_directory), hidden.path);
    for (const std::string& path : spec_.mask) {
      struct stat status;
      bool directory = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
      attached.emplace_back(mask(path, directory), path);
    }
    for (const char* path : kReadOnly)
      if (!unmasked(path)) attached.emplace_back(make_read_only(path), path);
    // Verify, then trust: each is looked up again once everything is in place.
    for (const auto& [mount, path] : attached) {
      add(Kind::kVerifyMount, "verify that " + path + " is covered",
          {.on_error = OnError::kSkipIfAbsent, .a = mount, .b = root_}, strings({path}));
      add(Kind::kClose, "close", {.a = mount});
    }
  }

  int mask(const std::string& path, bool directory) {
    int target = open(path, O_PATH);
    plan_.last().on_error = OnError::kSkipIfAbsent;
    plan_.last().skip = directory ? 3 : 4;
    int mount = plan_.new_slot();
    if (directory) {
      add(Kind::kNewFileSystem, "mask " + path, {.a = mount, .x = kHidden},
          strings({"tmpfs", "mode", "755"}));
    } else {
      add(Kind::kCloneTree, "mask " + path, {.a = mount, .b = null_});
      // The node must stay usable, so everything but nodev.
      set_attributes(mount, kHidden & ~uint64_t{MOUNT_ATTR_NODEV}, path);
    }
    attach(mount, target, path);
    return mount;
  }

  int make_read_only(const std::string& path) {
    int target = open(path, O_PATH);
    plan_.last().on_error = OnError::kSkipIfAbsent;
    plan_.last().skip = 4;
    int mount = plan_.new_slot();
    add(Kind::kCloneTree, "make " + path + " read-only", {.a = mount, .b = target, .x = 1});
    set_attributes(mount, kHidden, path, true);
    attach(mount, target, path);
    return mount;
  }

  const Spec& spec_;
  const CgroupDemands& cgroup_;
  Held& held_;
  bool real_devices_;
  Plan plan_;
  int root_ = -1, proc_ = -1, dev_ = -1, pts_ = -1, null_ = -1, files_ = -1;
  int host_sys_ = -1, host_proc_ = -1, host_groups_ = -1, pid_max_file_ = -1;
  /// Namespaces that are there already: the slot, once it is one.
  struct Joined {
    int fd;
    uint64_t type;
    const char* what;
  };
  std::vector<Joined> joined_;
  int file_count_ = 0;
  std::vector<int> sources_;
  std::vector<int> further_;
  std::vector<int> device_mounts_;
};

}  // namespace

Plan plan_sandbox(const Spec& spec, int root_fd, const CgroupDemands& cgroup, Held& held) {
  return Composer(spec, cgroup, held).compose(root_fd);
}

Plan plan_join(const Spec& spec, int target, const CgroupDemands& cgroup) {
  Held nothing;
  return Composer(spec, cgroup, nothing).compose_join(target);
}

}  // namespace launch
