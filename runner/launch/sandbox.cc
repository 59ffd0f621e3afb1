#include "runner/launch/sandbox.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
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
#include "runner/launch/sandbox_table.h"
#include "runner/launch/seccomp.h"

namespace launch {

namespace {

using wire::Kind;
using wire::OnError;

constexpr uint64_t kInside = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
constexpr uint64_t kNoSuidExecDev = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;
constexpr uint64_t kHidden = kNoSuidExecDev | MOUNT_ATTR_RDONLY;

std::string strings(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (std::string_view part : parts) {
    text += part;
    text += '\0';
  }
  return text;
}

/// Writes the plan; one method for each part of the table.
class Composer {
 public:
  Composer(const Spec& spec, const CgroupDemands& cgroup, Held& held)
      : spec_(spec),
        cgroup_(cgroup),
        held_(held),
        real_devices_(sys::in_initial_user_namespace()) {}

  Plan compose_join(int target) {
    int slot = plan_.inherit(target);
    add(Kind::kResetSignals, "reset signals");
    if (cgroup_.wait_for_parent) add(Kind::kWaitForParent, "wait for the cgroup");
    add(Kind::kHideFromOthers, "hide from the container");
    add(Kind::kSetNamespace, "join the container's namespaces",
        {.a = slot,
         .x = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
              CLONE_NEWCGROUP});
    add(Kind::kClose, "close", {.a = slot});
    add(Kind::kSplitOff, "enter the container's pid namespace");
    // The join made the container's root our working directory.
    root_ = plan_.new_slot();
    add(Kind::kOpen, "open the container's root",
        {.a = root_, .b = -1, .x = O_PATH | O_DIRECTORY, .y = kInside}, strings({"/"}));
    if (spec_.tty) {
      pts_ = open("/dev/pts", O_PATH | O_DIRECTORY, kInside | RESOLVE_NO_SYMLINKS);
      terminal();
    }
    become();
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
    become();
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
    if (cgroup_.pid_max_file >= 0) pid_max_file_ = plan_.inherit(cgroup_.pid_max_file);
    if (spec_.network == Network::kJoin) network_ = inherit_one(spec_.network_namespace);
  }

  /// Whether the container's network namespace belongs to our user namespace.
  bool owns_network() const {
    if (spec_.network != Network::kJoin) return spec_.network == Network::kNone;
    sys::UniqueFd owner(::ioctl(spec_.network_namespace, NS_GET_USERNS));
    struct stat theirs, ours;
    return owner && ::fstat(owner.get(), &theirs) == 0 && ::stat("/proc/self/ns/user", &ours) == 0 &&
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
      if (mount.source_path.is_root())
        return held_.hold(sys::clone_mount(source.fd(), "", mount.recursive));
      sys::UniqueFd found = source.open_at(mount.source_path, O_PATH);
      return held_.hold(sys::clone_mount(found.get(), "", mount.recursive));
    });
  }

  // --- namespaces and the root ---

  void begin() {
    add(Kind::kResetSignals, "reset signals");
    // Modes in this plan are meant as they are written; the program's own mask comes last.
    add(Kind::kUmask, "clear umask", {.c = 0});
    if (cgroup_.wait_for_parent) add(Kind::kWaitForParent, "wait for the cgroup");
    if (pid_max_file_ >= 0) see_whose_pid_max();
    if (cgroup_.unshare_namespace)
      add(Kind::kUnshare, "create cgroup namespace", {.x = CLONE_NEWCGROUP});
    if (network_ >= 0)
      add(Kind::kSetNamespace, "join network namespace", {.a = network_, .x = CLONE_NEWNET});
    if (!spec_.host_uts) {
      add(Kind::kHostname, "set host name " + base::printable(spec_.hostname), {},
          strings({spec_.hostname}));
      add(Kind::kDomainname, "set domain name", {}, strings({""}));
    }
    if (spec_.network == Network::kNone) add(Kind::kLoopbackUp, "bring up the loopback interface");
    add(Kind::kPrivateMounts, "make mounts private");
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
    std::string options = strings({"ptmxmode", "0666", "mode", "0620"});
    // The number of group tty, if there is such an id here.
    if (sys::userns_mode() != sys::UsernsMode::kSingle) options += strings({"gid", "5"});
    pts_ = mount_on("/dev/pts", "devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, options);
    // A mount of the caller's own at the same place takes its stead, it does not hide it.
    if (!is_user_target("/dev/shm"))
      mount_on("/dev/shm", "tmpfs", kNoSuidExecDev,
               strings({"mode", "1777", "size", std::to_string(spec_.shm_bytes)}));
    if (!spec_.host_ipc) mount_on("/dev/mqueue", "mqueue", kNoSuidExecDev, "");
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
      make_target("/sys", true);
      int target = open("/sys", O_PATH | O_DIRECTORY, kInside | RESOLVE_NO_SYMLINKS);
      set_attributes(host_sys_, attributes, "/sys", true);
      attach(host_sys_, target, "/sys");
      return;
    }
    mount_on("/sys", "sysfs", attributes, "");
    // A kernel without sysfs support for cgroups has no such directory.
    int target = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY, kInside | RESOLVE_NO_SYMLINKS);
    plan_.last().on_error = OnError::kSkipIfAbsent;
    plan_.last().skip = 3;
    int mount = new_file_system("cgroup2", attributes, "", "/sys/fs/cgroup");
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
      throw base::Error(base::Code::kInvalid, "a mount cannot replace the root directory");
    if (mount.kind == Mount::Kind::kFile) return mount_file(mount);
    uint64_t attributes = 0;
    if (mount.read_only) attributes |= MOUNT_ATTR_RDONLY;
    if (!mount.executable) attributes |= MOUNT_ATTR_NOEXEC;
    if (!mount.devices) attributes |= MOUNT_ATTR_NODEV;
    if (mount.kind == Mount::Kind::kTmpfs) {
      std::string options = strings({"mode", octal(mount.mode)});
      if (mount.size_bytes > 0) options += strings({"size", std::to_string(mount.size_bytes)});
      make_target(what, true);
      int target = open(what, O_PATH | O_DIRECTORY);
      int tmpfs = new_file_system("tmpfs", attributes | MOUNT_ATTR_NOSUID, options, what);
      attach(tmpfs, target, what);
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

  // --- the process ---

  void become() {
    add(Kind::kSessionKeyring, "join a session keyring");
    plan_.last().on_error = OnError::kSkip;  // kernels without keyrings
    limits();
    if (!spec_.tty) add(Kind::kNewSession, "start a session");
    int cwd = open(sys::RootedPath(spec_.cwd).str(), O_PATH | O_DIRECTORY);
    add(Kind::kChangeDirectory, "change to working directory " + base::printable(spec_.cwd),
        {.a = cwd});
    add(Kind::kUmask, "set umask", {.c = static_cast<int>(spec_.umask.value_or(022))});
    add(Kind::kBoundingSet, "drop capabilities", {.x = spec_.capabilities});
    // Without no_new_privs only the privileged may load a filter, so it comes before they are given
    // up; everything after it is allowed by every policy.
    bool filter = spec_.seccomp == Seccomp::kDefault && !spec_.privileged;
    if (filter && !spec_.no_new_privileges) load_filter();
    identity();
    if (spec_.no_new_privileges) add(Kind::kNoNewPrivileges, "set no_new_privs");
    if (filter && spec_.no_new_privileges) load_filter();
    if (spec_.die_with_caller) add(Kind::kDieWithParent, "tie to torte");
    execute();
  }

  void limits() {
    auto limit = [&](int resource, uint64_t soft, uint64_t hard, bool clamp) {
      add(Kind::kLimit, base::str("set resource limit ", resource),
          {.c = resource, .d = clamp ? 1 : 0, .x = soft, .y = hard});
    };
    constexpr uint64_t kFiles = 1048576;
    limit(RLIMIT_NOFILE, kFiles, kFiles, true);
    limit(RLIMIT_CORE, 0, 0, true);
    if (cgroup_.process_rlimit > 0)
      limit(RLIMIT_NPROC, cgroup_.process_rlimit, cgroup_.process_rlimit, true);
    for (const Ulimit& ulimit : spec_.ulimits)
      limit(ulimit.resource, ulimit.soft, ulimit.hard, false);
  }

  void load_filter() {
    std::string program = seccomp_program(spec_.capabilities);
    add(Kind::kSeccomp, "load seccomp filter", {}, program);
  }

  void identity() {
    const std::vector<gid_t>& groups = spec_.identity.groups;
    bool single_id = sys::userns_mode() == sys::UsernsMode::kSingle;
    if (single_id && (spec_.identity.uid != 0 || spec_.identity.gid != 0))
      throw base::Error(base::Code::kDenied,
                        base::str("cannot become user ", spec_.identity.uid, ":", spec_.identity.gid,
                                  ": you have one id only, which is root in the container"),
                        "ids-missing")
          .add_help("give yourself a range: usermod --add-subuids 100000-165535 --add-subgids "
                    "100000-165535 NAME")
          .add_help("the range also needs newuidmap (Debian package uidmap)");
    // With one mapped id the kernel forbids setgroups.
    if (!single_id)
      add(Kind::kGroups, "set groups", {},
          {reinterpret_cast<const char*>(groups.data()), groups.size() * sizeof(gid_t)});
    add(Kind::kIdentity, base::str("become user ", spec_.identity.uid, ":", spec_.identity.gid),
        {.c = static_cast<int>(spec_.identity.uid),
         .d = static_cast<int>(spec_.identity.gid),
         .x = spec_.capabilities});
  }

  void execute() {
    if (spec_.argv.empty()) throw base::Error(base::Code::kInvalid, "no command to run");
    std::string text;
    for (const auto* list : {&spec_.argv, &spec_.env}) {
      for (const std::string& entry : *list) {
        if (entry.find('\0') != std::string::npos)
          throw base::Error(base::Code::kInvalid,
                            "an argument or variable holds a NUL byte: " + base::printable(entry));
        text += entry;
        text += '\0';
      }
    }
    add(Kind::kExecute, "execute " + base::printable(spec_.argv[0]),
        {.c = static_cast<int>(spec_.argv.size()),
         .d = static_cast<int>(spec_.env.size()),
         .x = spec_.init ? 1u : 0u},
        text);
  }

  const Spec& spec_;
  const CgroupDemands& cgroup_;
  Held& held_;
  bool real_devices_;
  Plan plan_;
  int root_ = -1, proc_ = -1, dev_ = -1, pts_ = -1, null_ = -1, files_ = -1;
  int host_sys_ = -1, network_ = -1, pid_max_file_ = -1;
  int file_count_ = 0;
  std::vector<int> sources_;
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
