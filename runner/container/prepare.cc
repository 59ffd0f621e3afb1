#include "runner/container/prepare.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/overlay_mount.h"
#include "base/sys/tree.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "overlay/packed_mount.h"
#include "runner/container/user_entries.h"
#include "runner/container/volumes.h"
#include "runner/launch/stub_layer.h"

namespace container {

namespace {

constexpr const char* kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

sys::UniqueFd open_directory(const std::filesystem::path& path) {
  sys::UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) base::throw_errno("open " + path.string());
  return fd;
}

sys::UniqueFd make_directory(const std::filesystem::path& path, const struct stat& like) {
  if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST)
    base::throw_errno("create " + path.string());
  sys::UniqueFd fd = open_directory(path);
  // EINVAL: its owner has no id in our user namespace. Then it is ours.
  if ((::fchownat(fd.get(), "", like.st_uid, like.st_gid, AT_EMPTY_PATH) < 0 && errno != EINVAL) ||
      ::chmod(path.c_str(), like.st_mode & 07777) < 0)
    base::throw_errno("set owner of " + path.string());
  return fd;
}

/// The writable and the init layer look like the image's root; made at the first start.
void make_layers(const Home& home, const overlay::Stack& layers, int rootfs) {
  if (std::filesystem::exists(home.upper())) return;
  struct stat like = {};
  like.st_mode = 0755;
  const int top = layers.empty() ? rootfs : layers.back()->fd();
  if (top >= 0 && ::fstat(top, &like) < 0) base::throw_errno("stat the image's root");
  make_directory(home.init(), like);
  // The upper layer last: it says that both are there.
  const std::filesystem::path beside = home.path() / "upper.new";
  make_directory(beside, like);
  if (::rename(beside.c_str(), home.upper().c_str()) < 0)
    base::throw_errno("create writable layer");
}

sys::UniqueFd new_work_directory(const Home& home) {
  sys::remove_tree(home.work());
  if (::mkdir(home.work().c_str(), 0700) < 0) base::throw_errno("create " + home.work().string());
  return open_directory(home.work());
}

void set_seccomp(const Config& config, launch::Spec& spec) {
  if (config.seccomp.empty()) return;
  spec.seccomp =
      config.seccomp == "unconfined" ? launch::Seccomp::kUnconfined : launch::Seccomp::kProfile;
  if (spec.seccomp == launch::Seccomp::kProfile) spec.seccomp_profile = config.seccomp;
}

class Preparation {
 public:
  Preparation(Containers& containers, const Config& config)
      : containers_(containers), config_(config), home_(containers.home(config.id)) {}

  Prepared run() {
    if (has_own_ids(config_)) own_ids();
    root();
    process();
    network();
    rights();
    for (const MountConfig& mount : config_.mounts) add_mount(mount);
    for (const DeviceConfig& device : config_.devices) add_device(device);
    if (!config_.init_path.empty()) add_init();
    return std::move(out_);
  }

 private:
  int borrow(sys::UniqueFd fd) {
    out_.borrowed.push_back(std::move(fd));
    return out_.borrowed.back().get();
  }

  void own_ids() {
    const std::string other = joined_container(config_.userns);
    const bool wired = config_.network_mode != "none" && config_.network_mode != "host" &&
                       joined_container(config_.network_mode).empty() &&
                       config_.network.mode != network::Mode::kJoin;
    out_.ids = make_ids(config_, other.empty() ? 0 : process_of(other), wired);
    launch::Spec& spec = out_.spec;
    spec.user_namespace = out_.ids->space.user.get();
    spec.inner_uid = out_.ids->inner_uid;
    spec.inner_gid = out_.ids->inner_gid;
    if (!out_.ids->maps_files) return;
    spec.root.id_map = spec.user_namespace;
    spec.root.id_map_uid = out_.ids->root_uid;
    spec.root.id_map_gid = out_.ids->root_gid;
  }

  void root() {
    launch::RootFs& root = out_.spec.root;
    root.read_only = config_.read_only;
    root.userxattr = overlay::uses_user_xattrs();
    int rootfs = -1;
    if (config_.rootfs.empty()) {
      // The kernel cannot show a FUSE file system with other ids.
      out_.layers = out_.ids ? open_layers(containers_, config_)
                             : overlay::open_lowers(containers_.store(), config_.layers);
      root.lowers = overlay::lower_fds(out_.layers);
    } else {
      rootfs =
          borrow(sys::UniqueFd(::open(config_.rootfs.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
      if (rootfs < 0) base::throw_errno("open --rootfs " + base::printable(config_.rootfs));
      if (!config_.rootfs_overlay) {
        root.mount = sys::clone_mount(rootfs, "", true);
        return;
      }
      root.lowers = {rootfs};
    }
    refuse_mounted(home_);
    make_layers(home_, out_.layers, rootfs);
    root.stubs = borrow(launch::open_stub_layer(containers_.layout().stubs()));
    root.init_layer = borrow(open_directory(home_.init()));
    root.upper = borrow(open_directory(home_.upper()));
    root.work = borrow(new_work_directory(home_));
    // What is thrown away at its end need not reach the disk before.
    root.is_volatile = config_.auto_remove;
  }

  void process() {
    launch::Spec& spec = out_.spec;
    spec.argv = config_.entrypoint;
    spec.argv.insert(spec.argv.end(), config_.arguments.begin(), config_.arguments.end());
    spec.cwd = config_.cwd;
    spec.tty = config_.tty;
    spec.init = config_.init && config_.init_path.empty();
    if (config_.umask) spec.umask = *config_.umask;
    spec.oom_score_adj = config_.oom_score_adj;
    spec.hostname = config_.hostname;
    spec.domainname = config_.domainname;
    sys::Root view;
    std::optional<overlay::View> merged;
    if (!config_.rootfs.empty()) {
      view = sys::Root::open(config_.rootfs);
    } else {
      // What the container wrote counts too: a user made by its first run exists in the second.
      overlay::Stack stack = out_.layers;
      stack.push_back(std::make_shared<overlay::Tree>(home_.upper(), nullptr));
      merged.emplace(containers_.store(), stack);
      view = merged->root().duplicate();
    }
    spec.identity = launch::resolve_user(view, config_.user);
    for (const std::string& group : config_.groups)
      spec.identity.groups.push_back(launch::resolve_group_name(view, group));
    spec.root.files = user_entries(config_, view, spec.identity);
    spec.env = config_.env;
    auto set_default = [&](std::string_view name, const std::string& value) {
      for (const std::string& known : spec.env)
        if (known.starts_with(name) && known.substr(name.size()).starts_with("=")) return;
      spec.env.push_back(base::str(name, "=", value));
    };
    set_default("PATH", std::string(kDefaultPath).substr(5));
    set_default("HOSTNAME", config_.hostname);
    set_default("HOME", spec.identity.home);
    if (config_.tty) set_default("TERM", "xterm");
    if (!config_.systemd) return;
    // What systemd asks of those who start it as a container. [systemd.io/CONTAINER_INTERFACE]
    constexpr size_t kUuid = 32;
    set_default("container", "torte");
    set_default("container_uuid", config_.id.substr(0, kUuid));
    spec.writable_cgroup = true;
  }

  void network() {
    launch::Spec& spec = out_.spec;
    network::Request request = member_request(config_, config_.network);
    request.keeps_hosts_file = !config_.no_hosts;
    if (const std::string other = joined_container(config_.network_mode); !other.empty()) {
      request.mode = network::Mode::kJoin;
      request.path = base::str("/proc/", process_of(other), "/ns/net");
    }
    if (out_.ids) request.namespace_fd = out_.ids->space.network.get();
    out_.network.emplace(network::connect(containers_.networks(), request));
    for (const network::Request& more : config_.further_networks)
      out_.network->join(containers_.networks(), member_request(config_, more),
                         out_.network->namespace_fd());
    const network::Connection& net = *out_.network;
    spec.network = net.mode() == network::Mode::kHost   ? launch::Network::kHost
                   : net.mode() == network::Mode::kNone ? launch::Network::kNone
                                                        : launch::Network::kJoin;
    spec.network_namespace = net.namespace_fd();
    spec.resolv_conf = net.resolv_conf();
    if (!config_.no_hostname) spec.hostname_file = config_.hostname + "\n";
    if (!config_.no_hosts) hosts(net);
    spec.host_cgroup = config_.host_cgroup;
    name_space(config_.pid_mode, "pid", spec.host_pid, spec.pid_namespace);
    name_space(config_.ipc_mode, "ipc", spec.host_ipc, spec.ipc_namespace);
    name_space(config_.uts_mode, "uts", spec.host_uts, spec.uts_namespace);
  }

  /// "host", "container:NAME", "ns:PATH", or empty for a new one.
  void name_space(const std::string& mode, const char* kind, bool& host, int& joined) {
    host = mode == "host";
    if (host || mode.empty()) return;
    constexpr std::string_view kPath = "ns:";
    const std::string other = joined_container(mode);
    const std::string path = other.empty() ? mode.substr(kPath.size())
                                           : base::str("/proc/", process_of(other), "/ns/", kind);
    joined = borrow(sys::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
    if (joined < 0)
      base::throw_errno(base::str("open ", kind, " namespace ", base::printable(path)));
  }

  /// On a network of containers the file changes when they come and go, so it is bound.
  void hosts(const network::Connection& net) {
    if (net.hosts_file().empty()) {
      out_.spec.hosts = net.hosts();
      return;
    }
    launch::Mount mount;
    mount.target = sys::RootedPath("/etc/hosts");
    mount.source = sys::UniqueFd(::open(net.hosts_file().c_str(), O_PATH | O_CLOEXEC));
    if (!mount.source) base::throw_errno("open " + net.hosts_file().string());
    mount.read_only = true;
    mount.executable = false;
    out_.spec.mounts.push_back(std::move(mount));
  }

  pid_t process_of(const std::string& other) {
    const State state = containers_.read_state(containers_.get(other));
    if (!open_main_process(state))
      throw base::Error(base::Code::kUnavailable,
                        "container " + base::printable(other) +
                            " is not running, so its namespaces cannot be joined",
                        "container-not-running");
    return state.pid;
  }

  void rights() {
    launch::Spec& spec = out_.spec;
    spec.capabilities = config_.capabilities;
    spec.privileged = config_.privileged;
    spec.no_new_privileges = config_.no_new_privileges;
    set_seccomp(config_, spec);
    spec.mask = config_.mask;
    spec.unmask = config_.unmask;
    spec.limits = config_.limits;
    spec.ulimits = config_.ulimits;
    spec.sysctls = config_.sysctls;
    spec.shm_bytes = config_.shm_bytes;
  }

  void add_mount(const MountConfig& mount) {
    launch::Mount out;
    out.target = sys::RootedPath(mount.target);
    out.read_only = mount.read_only;
    out.executable = mount.executable;
    if (mount.type == MountConfig::Type::kDevpts) {
      out.kind = launch::Mount::Kind::kDevpts;
      out.mode = mount.mode;
      out.uid = mount.uid;
      out.gid = mount.gid;
      out.most = mount.most;
    } else if (mount.type == MountConfig::Type::kTmpfs) {
      out.kind = launch::Mount::Kind::kTmpfs;
      out.mode = mount.mode;
      out.size_bytes = mount.size_bytes;
    } else if (mount.type == MountConfig::Type::kImage) {
      overlay::Stack stack;
      for (const oci::DiffId& layer : mount.layers)
        stack.push_back(overlay::open_stack(containers_.store(), {layer}).front());
      out.source = image_mount(stack);
      out.source_is_detached = true;
      out.source_path = sys::RootedPath(mount.subpath);
      out.read_only = true;
    } else {
      add_source(mount, out);
    }
    out_.spec.mounts.push_back(std::move(out));
  }

  /// The files of an image, read-only.
  sys::UniqueFd image_mount(const overlay::Stack& stack) {
    if (out_.spec.root.id_map < 0) {
      const overlay::View view(containers_.store(), stack);
      return sys::UniqueFd(::fcntl(view.mount_fd(), F_DUPFD_CLOEXEC, 3));
    }
    sys::OverlayOptions options;
    options.lowers = overlay::lower_fds(stack);
    options.id_map = out_.ids->space.user.get();
    options.id_map_uid = out_.ids->root_uid;
    options.id_map_gid = out_.ids->root_gid;
    return sys::mount_overlay(options);
  }

  void add_source(const MountConfig& mount, launch::Mount& out) {
    const bool volume = mount.type == MountConfig::Type::kVolume;
    const std::filesystem::path path = volume ? volume_data(containers_.layout(), mount.source)
                                              : std::filesystem::path(mount.source);
    out.source = sys::UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!out.source && errno == ENOENT)
      throw base::Error(base::Code::kNotFound,
                        base::str(volume ? "volume " + mount.source : base::printable(mount.source),
                                  " does not exist"),
                        "mount-source-missing");
    if (!out.source) base::throw_errno("open " + base::printable(mount.source));
    out.recursive = mount.recursive && !volume;
    // Volumes hold what containers wrote, with ids as containers have them.
    out.map_ids = volume || mount.map_ids;
    if (mount.map_ids) out.recursive = false;
    out.source_path = sys::RootedPath(mount.subpath);
    if (mount.chown) give_away(out);
    if (mount.overlay) cover(out);
    out.propagation = mount.propagation;
    if (out.propagation != sys::Propagation::kPrivate) check_propagation(out);
  }

  /// A mount that shares with nobody cannot be the container's either; nor may one that has its own
  /// ids, or whose torte is an ordinary user's, change what others see.
  void check_propagation(const launch::Mount& mount) const {
    const bool shared = mount.propagation == sys::Propagation::kShared;
    const std::string what = base::str("the directory for ", base::printable(mount.target.str()));
    auto refuse = [&](const std::string& why) {
      return base::Error(base::Code::kUnsupported, what + why, "mount-not-shared");
    };
    if (shared && (out_.ids || sys::userns_mode() != sys::UsernsMode::kNone))
      throw refuse(" cannot be rshared: mounts made in a user namespace show nowhere else")
          .add_help("rslave shows the machine's mounts in the container");
    const uint64_t id = sys::mount_id(open_mount_source(mount).get());
    for (const sys::MountInfo& known : sys::list_mounts()) {
      if (known.id != id || known.is_shared || (!shared && known.is_slave)) continue;
      throw refuse(base::str(" is on the mount ", base::printable(known.point),
                             ", which shares with nobody"))
          .add_help("mount --make-shared " + base::printable(known.point));
    }
  }

  /// --init=PATH: in /dev, where it leaves no trace in the root.
  void add_init() {
    constexpr const char* kPlace = "/dev/init";
    launch::Mount out;
    out.source = sys::UniqueFd(::open(config_.init_path.c_str(), O_PATH | O_CLOEXEC));
    if (!out.source) base::throw_errno("open --init " + base::printable(config_.init_path));
    out.target = sys::RootedPath(kPlace);
    out.read_only = true;
    out_.spec.mounts.push_back(std::move(out));
    std::vector<std::string>& argv = out_.spec.argv;
    argv.insert(argv.begin(), {kPlace, "--"});
  }

  /// `-v ..:U`: everything there is the container's user's.
  void give_away(const launch::Mount& mount) {
    // Elsewhere its user is somebody else on disk than inside.
    if (out_.ids && !(out_.ids->maps_files && mount.map_ids))
      throw base::Error(base::Code::kUnsupported,
                        base::str("the owners of what is at ", base::printable(mount.target.str()),
                                  " cannot be changed together with --userns"),
                        "chown-unsupported")
          .add_help("idmap instead of U shows the files with the container's ids");
    base::with_context("give " + base::printable(mount.target.str()) + " to the container's user",
                       [&] {
                         sys::give_tree(open_mount_source(mount).get(), out_.spec.identity.uid,
                                        out_.spec.identity.gid);
                       });
  }

  /// What a mount will show, its `source_path` resolved inside its source.
  static sys::UniqueFd open_mount_source(const launch::Mount& mount) {
    return mount.source_path.is_root()
               ? mount.source.duplicate()
               : sys::Root(mount.source.duplicate()).open_at(mount.source_path, O_PATH);
  }

  /// The source as the lower layer of an overlay whose changes are the container's own.
  void cover(launch::Mount& mount) {
    const std::filesystem::path directory = home_.path() / base::str("cover-", covers_++);
    sys::remove_tree(directory);
    sys::make_directories(directory / "upper", 0755);
    sys::make_directories(directory / "work");
    const sys::UniqueFd upper = open_directory(directory / "upper");
    const sys::UniqueFd work = open_directory(directory / "work");
    const sys::UniqueFd lower = open_mount_source(mount);
    struct stat like;
    if (::fstat(lower.get(), &like) < 0) base::throw_errno("stat the source of a mount");
    if (!S_ISDIR(like.st_mode))
      throw base::Error(base::Code::kInvalid,
                        "an overlay needs a directory: " + base::printable(mount.target.str()),
                        "not-a-directory");
    make_directory(directory / "upper", like);
    sys::OverlayOptions options;
    options.lowers = {lower.get()};
    options.upper = upper.get();
    options.work = work.get();
    options.is_volatile = true;
    options.userxattr = overlay::uses_user_xattrs();
    options.id_map = out_.spec.root.id_map;
    options.id_map_uid = out_.spec.root.id_map_uid;
    options.id_map_gid = out_.spec.root.id_map_gid;
    mount.source = sys::mount_overlay(options);
    mount.source_is_detached = true;
    mount.source_path = {};
    mount.recursive = false;
  }

  void add_device(const DeviceConfig& device) {
    launch::Mount out;
    out.source = sys::UniqueFd(::open(device.source.c_str(), O_PATH | O_CLOEXEC));
    if (!out.source) base::throw_errno("--device " + base::printable(device.source));
    out.target = sys::RootedPath(device.target);
    out.devices = true;
    out.read_only = device.access.find('w') == std::string::npos;
    out_.spec.mounts.push_back(std::move(out));
  }

  Containers& containers_;
  const Config& config_;
  Home home_;
  Prepared out_;
  int covers_ = 0;
};

}  // namespace

network::Request member_request(const Config& config, const network::Request& asked) {
  network::Request request = asked;
  request.id = config.id;
  request.hostname = config.hostname;
  request.domainname = config.domainname;
  if (request.mode == network::Mode::kNamed && config.name != config.hostname)
    request.aliases.push_back(config.name);
  return request;
}

void enter_user_namespace_of(const Record& record) {
  const auto process = open_main_process(record.state);
  if (!process)
    throw base::Error(base::Code::kUnavailable, "the container is not running",
                      "container-not-running");
  if (has_own_ids(record.config))
    sys::join_user_namespace_around(record.state.pid);
  else
    sys::join_user_namespace(process->get());
}

std::string joined_container(const std::string& mode) {
  constexpr std::string_view kContainer = "container:";
  return mode.starts_with(kContainer) ? mode.substr(kContainer.size()) : "";
}

overlay::Stack open_layers(const Containers& containers, const Config& config) {
  return overlay::open_stack(containers.store(), config.layers);
}

Prepared prepare(Containers& containers, const Claim& claim, const Config& config) {
  CHECK(claim.id == config.id);
  return Preparation(containers, config).run();
}

launch::Spec exec_spec(const Config& config, const sys::Root& merged, const std::string& user) {
  launch::Spec spec;
  spec.cwd = config.cwd;
  spec.identity = launch::resolve_user(merged, user);
  for (const std::string& group : config.groups)
    spec.identity.groups.push_back(launch::resolve_group_name(merged, group));
  spec.env = config.env;
  auto has = [&](std::string_view name) {
    for (const std::string& known : spec.env)
      if (known.starts_with(name) && known.substr(name.size()).starts_with("=")) return true;
    return false;
  };
  if (!has("PATH")) spec.env.emplace_back(kDefaultPath);
  if (!has("HOSTNAME")) spec.env.push_back("HOSTNAME=" + config.hostname);
  if (!has("HOME")) spec.env.push_back("HOME=" + spec.identity.home);
  spec.capabilities = config.capabilities;
  spec.privileged = config.privileged;
  spec.no_new_privileges = config.no_new_privileges;
  set_seccomp(config, spec);
  spec.joins_user_namespace = has_own_ids(config);
  std::tie(spec.inner_uid, spec.inner_gid) = inner_root(config);
  if (config.umask) spec.umask = *config.umask;
  spec.oom_score_adj = config.oom_score_adj;
  spec.ulimits = config.ulimits;
  return spec;
}

sys::Root mount_stopped(Containers& containers, const Claim& claim, const Config& config) {
  CHECK(claim.id == config.id);
  if (!config.rootfs.empty() && !config.rootfs_overlay) return sys::Root::open(config.rootfs);
  const Home home = containers.home(config.id);
  refuse_mounted(home);
  overlay::Stack layers;
  sys::UniqueFd rootfs;
  sys::OverlayOptions options;
  if (config.rootfs.empty()) {
    layers = open_layers(containers, config);
    options.lowers = overlay::lower_fds(layers);
  } else {
    rootfs = open_directory(config.rootfs);
    options.lowers = {rootfs.get()};
  }
  make_layers(home, layers, rootfs.get());
  const sys::UniqueFd upper = open_directory(home.upper()), work = new_work_directory(home);
  const sys::UniqueFd init = open_directory(home.init());
  options.lowers.insert(options.lowers.begin(), init.get());
  options.upper = upper.get();
  options.work = work.get();
  options.userxattr = overlay::uses_user_xattrs();
  return sys::Root(sys::mount_overlay(options));
}

sys::Root open_running(const State& state) {
  const auto process = open_main_process(state);
  if (!process)
    throw base::Error(base::Code::kUnavailable, "the container is not running",
                      "container-not-running");
  return sys::Root::open(base::str("/proc/", state.pid, "/root"));
}

}  // namespace container
