#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sys/fd.h"
#include "base/sys/mount.h"
#include "base/sys/process.h"
#include "base/sys/rooted_path.h"
#include "runner/launch/capabilities.h"
#include "runner/launch/identity.h"

/// One program in its own namespaces, on a root given as descriptors.
///
///   launch::Spec spec;
///   spec.root.lowers = {...};  spec.root.upper = ...;  spec.root.work = ...;
///   spec.argv = {"/bin/sh", "-c", "make"};
///   launch::Container container = launch::launch(std::move(spec));  // the program runs
///   int status = container.wait().shell_status();                  // it and all its children
///   ended
///
/// launch() turns the Spec into a plan (plan.h): a list of operations as data. A small static
/// program, embedded in torte and started from a sealed memory file, performs them in order inside
/// the new namespaces and becomes the program (or stays as its init). Nothing is left in the host's
/// mount table.
namespace launch {

/// How the root comes about: either a detached `mount`, or parts of an overlay.
struct RootFs {
  /// A detached mount (sys::mount_overlay, sys::clone_mount); used up by the launch. Mount targets
  /// that are missing in it are created in it.
  sys::UniqueFd mount;

  /// Directories of the image's layers, topmost first. Borrowed, as all descriptors below.
  std::vector<int> lowers;
  /// A constant directory made once by fill_stub_layer(), stacked below everything, so that the
  /// usual mount targets exist in any image without a trace; -1 for none.
  int stubs = -1;
  /// An empty directory of this container alone, stacked above the image's layers when a mount
  /// target is still missing; it then takes the targets. -1: targets are created in the upper
  /// directory.
  int init_layer = -1;
  int upper = -1;  ///< takes the changes
  int work = -1;   ///< empty, never used before, beside `upper`
  bool is_volatile = false;
  /// Set in a user namespace; see sys::OverlayOptions.
  bool userxattr = false;

  bool read_only = false;

  /// A file of torte's in the init layer, in the place of the image's: of its root, mode 0644.
  struct File {
    sys::RootedPath path;
    std::string content;
  };
  std::vector<File> files;  ///< only with an init layer

  /// A user namespace whose ids the layers, or the mount, are shown with, and its root's ids where
  /// we are; -1: as they are. [sys::OverlayOptions]
  int id_map = -1;
  uint32_t id_map_uid = 0, id_map_gid = 0;
};

/// Creates the usual mount targets (/proc, /etc/hosts, ...) in an empty directory; done again, it
/// changes nothing.
void fill_stub_layer(int directory_fd);

/// Something attached below the root, in the order of the list. Targets are resolved inside the
/// root; missing ones are created (see RootFs).
struct Mount {
  enum class Kind {
    kBind,    ///< `source`, or what is at `source_path` below it
    kTmpfs,   ///< an empty tmpfs of `mode` and `size_bytes`
    kDevpts,  ///< terminals of its own, of `mode`, `uid` and `gid`; at /dev/pts in the stead of the
              ///< usual ones
    kFile,    ///< a file with `content` on a private tmpfs, always read-only: secrets, /etc/hosts
  };
  Kind kind = Kind::kBind;
  sys::RootedPath target;
  bool read_only = false;
  bool executable = true;  ///< false: noexec

  /// kBind: a directory or file (O_PATH is enough), or a detached mount, which is used up.
  sys::UniqueFd source;
  /// kBind: resolved inside `source`, links included.
  sys::RootedPath source_path;
  bool source_is_detached = false;
  bool recursive = false;                                     ///< kBind: with the mounts below it
  sys::Propagation propagation = sys::Propagation::kPrivate;  ///< kBind, not detached
  bool devices = false;  ///< kBind: device nodes work (--device)
  bool map_ids = false;  ///< kBind: shown with the ids of RootFs::id_map, where there is one

  std::string content;      ///< kFile
  mode_t mode = 0755;       ///< kTmpfs, kFile, kDevpts
  uid_t uid = 0;            ///< kFile, kDevpts
  gid_t gid = 0;            ///< kFile, kDevpts
  uint64_t size_bytes = 0;  ///< kTmpfs; 0: the kernel's default
  uint64_t most = 0;        ///< kDevpts: so many terminals; 0: the kernel's default
};

struct Ulimit {
  int resource = 0;  ///< RLIMIT_*
  uint64_t soft = 0;
  uint64_t hard = 0;
};

/// How much of a block device the container may use in a second.
struct Throttle {
  enum class Kind { kReadBytes, kWriteBytes, kReadOperations, kWriteOperations };
  Kind kind = Kind::kReadBytes;
  uint32_t major = 0, minor = 0;
  uint64_t rate = 0;
};

/// Limits of the whole container. A limit that was asked for and cannot be applied is an error that
/// names the controller.
struct Limits {
  std::optional<uint64_t> memory_bytes;
  std::optional<uint64_t> memory_swap_bytes;  ///< memory and swap together
  std::optional<double> cpus;
  std::optional<uint64_t> cpu_period_microseconds;  ///< in which `cpus` holds; unset: 100000
  std::optional<uint64_t> cpu_shares;
  std::optional<uint64_t>
      memory_reservation_bytes;       ///< soft: what it is pushed back to when memory is short
  std::string cpuset_cpus;            ///< "0-2,7": processors it may use; empty: all
  std::string cpuset_memories;        ///< the same for memory nodes
  std::optional<uint64_t> io_weight;  ///< 10 to 1000, its part of a busy disk; 100 is the usual one
  std::vector<Throttle> throttles;
  /// Processes and threads; 0: no limit. Unset: 2048, enforced the cheapest way there is.
  std::optional<uint64_t> pids;

  bool any() const {
    return memory_bytes || memory_swap_bytes || cpus || cpu_shares || pids ||
           memory_reservation_bytes || !cpuset_cpus.empty() || !cpuset_memories.empty() ||
           io_weight || !throttles.empty();
  }
};

enum class Network {
  kNone,  ///< a new network namespace with loopback up
  kHost,
  kJoin,  ///< the namespace `network_namespace`
};

enum class Seccomp { kDefault, kUnconfined, kProfile };

struct Spec {
  RootFs root;
  std::vector<Mount> mounts;

  std::vector<std::string> argv;  ///< argv[0] without "/" is looked up in PATH of `env`
  std::vector<std::string> env;   ///< "NAME=value", complete: nothing is inherited
  std::string cwd = "/";          ///< created when missing
  Identity identity;
  Capabilities capabilities = default_capabilities();
  bool no_new_privileges = true;
  Seccomp seccomp = Seccomp::kDefault;
  std::string seccomp_profile;  ///< with kProfile: its JSON text (seccomp_profile.h)
  std::optional<mode_t> umask;
  std::optional<int> oom_score_adj;  ///< -1000 to 1000; unset: inherited

  std::string hostname = "localhost";
  std::string domainname;
  Network network = Network::kNone;
  int network_namespace = -1;  ///< borrowed; with kJoin
  /// Content of /etc/hosts, /etc/resolv.conf, /etc/hostname; unset: the image's own file.
  std::optional<std::string> hosts;
  std::optional<std::string> resolv_conf;
  std::optional<std::string> hostname_file;

  bool host_pid = false;
  bool host_ipc = false;
  bool host_uts = false;
  bool host_cgroup = false;  ///< sees the groups of the machine
  /// Namespaces of others, joined instead of new ones; borrowed, -1: a new one.
  int pid_namespace = -1;
  int ipc_namespace = -1;
  int uts_namespace = -1;
  /// A user namespace whose ids are mapped already (sys::make_user_namespace) and in which the
  /// container is to live; -1: torte's own. Its other namespaces belong to it then.
  int user_namespace = -1;
  /// Who we are in it while the container is made ready: its root, or the only id there is.
  uint32_t inner_uid = 0, inner_gid = 0;
  /// join(): the container has a user namespace of its own below torte's.
  bool joins_user_namespace = false;
  /// Every capability, no masks, no seccomp, /sys and cgroups writable.
  bool privileged = false;
  /// Paths not to mask, and paths to mask besides the usual ones.
  std::vector<std::string> unmask;
  std::vector<std::string> mask;
  /// Kernel settings below /proc/sys, "net.ipv4.ip_forward" = "1"; namespaced ones only.
  std::vector<std::pair<std::string, std::string>> sysctls;

  std::vector<Ulimit> ulimits;
  uint64_t shm_bytes = 64 << 20;
  Limits limits;
  /// A cgroup even without limits, for pause().
  bool own_cgroup = false;
  /// Its own groups can be made by the program, below its own group: for systemd. Its limits stay
  /// out of its reach. Needs cgroup v2 and `own_cgroup`.
  bool writable_cgroup = false;

  /// The program gets a terminal of its own; Container::console() is its other side.
  bool tty = false;
  unsigned short tty_rows = 0;
  unsigned short tty_columns = 0;
  /// A small init as process 1 that passes signals on and reaps orphans.
  bool init = false;
  /// Everything is made ready but the program, which Container::go() starts.
  bool held = false;
  /// The container is killed when the *thread* that called launch() ends.
  bool die_with_caller = true;
  /// Borrowed; -1 is /dev/null. Ignored with tty.
  int stdin_fd = -1;
  int stdout_fd = 1;
  int stderr_fd = 2;
  /// Further descriptors of the program, from 3 on; borrowed.
  std::vector<int> further_fds;
};

class Cgroup;
class Leftovers;

/// A running container. Dropping it kills everything in it and waits for that. Move-only.
class Container {
 public:
  Container(Container&&) noexcept;
  Container& operator=(Container&&) noexcept;
  ~Container();

  /// Process 1 of the container, as the host numbers it.
  pid_t pid() const { return process_.pid(); }
  /// Readable when the container ended.
  int pidfd() const { return process_.pidfd(); }
  /// Our side of the terminal, or -1.
  int console() const { return console_.get(); }
  /// Sends a signal to process 1; a container that ended is fine.
  void signal(int number) const { process_.signal(number); }
  /// Waits for the end of process 1, and with it of every process of the container. Once.
  sys::ExitStatus wait();
  /// Where its control groups are in the file system of the host; empty without `own_cgroup` and
  /// limits.
  std::vector<std::string> cgroups() const;
  /// How often the kernel killed one of its processes for want of memory; 0 when it cannot be
  /// known.
  uint64_t memory_kills() const;
  /// Starts the program of a Spec that said `held`; once. Throws as launch() does.
  void go();
  /// Lets go of it: it lives on without us (exec -d).
  void leave() &&;
  /// Stops and continues every process. Throws Unsupported unless the Spec said `own_cgroup`.
  void pause();
  void resume();
  /// Puts other limits in place of those it was started with; what is unset stays as it is. Throws
  /// Unsupported when it has no group for them.
  void update(const Limits& limits);

 private:
  friend Container launch(Spec spec);
  friend Container join(int pidfd, Spec spec);
  friend Container adopt_container(pid_t pid);
  Container(sys::Process process, sys::UniqueFd console, std::unique_ptr<Cgroup> cgroup);

  std::unique_ptr<Cgroup> cgroup_;  // last to go: it can only be removed when empty
  std::unique_ptr<Leftovers> leftovers_;
  struct Gate;
  std::unique_ptr<Gate> gate_;
  sys::UniqueFd console_;
  sys::Process process_;
};

/// Whether Spec::own_cgroup can be had here: always for root, for others where a group was
/// delegated.
bool can_have_cgroup();
/// Whether Spec::writable_cgroup can.
bool can_have_writable_cgroup();

/// Starts the program and returns when it runs (its execve succeeded). Throws: Failed with
/// exit_status() 127 when the command is not found and 126 when it cannot be executed; any other
/// Error is the engine's own (125). May be called by several threads at once.
/// [spec/security.md 5; spec/performance.md 2.1; spec/cli.md G4]
Container launch(Spec spec);

/// A container that another program made, and whose process 1 is our child now. Without a cgroup of
/// ours: it cannot be paused, and its limits are its maker's.
Container adopt_container(pid_t pid);

/// Starts another program in the namespaces and the cgroup of the running container whose process 1
/// `pidfd` is (`torte exec`). Of `spec` counts what describes the process: argv, env, cwd,
/// identity, rights, terminal, streams, ulimits. Errors as with launch(). In a user namespace torte
/// must be in the container's own (sys::join_user_namespace).
Container join(int pidfd, Spec spec);

}  // namespace launch
