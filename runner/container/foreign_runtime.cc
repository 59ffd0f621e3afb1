#include "runner/container/foreign_runtime.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/process.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "runner/container/ids.h"
#include "runner/container/runtime_bundle.h"
#include "runner/launch/rootfs.h"

namespace container {

namespace {

constexpr uint64_t kMostLog = 1 << 20;

void refuse_unsuitable(const Config& config) {
  const char* what = config.tty                ? "a terminal (-t)"
                     : config.init             ? "--init"
                     : config.systemd          ? "--systemd"
                     : has_own_ids(config)     ? "--userns"
                     : !config.devices.empty() ? "--device"
                                               : nullptr;
  if (what == nullptr) return;
  throw base::Error(base::Code::kUnsupported,
                    base::str(what, " together with --runtime is not built"),
                    "runtime-unsupported");
}

/// What a bundle says of a step, its mounts left out.
Config config_of(const launch::Spec& spec) {
  Config config;
  config.arguments = spec.argv;
  config.cwd = spec.cwd;
  config.umask = spec.umask;
  config.hostname = spec.hostname;
  config.no_hostname = !spec.hostname_file;
  config.capabilities = spec.capabilities;
  config.privileged = spec.privileged;
  config.no_new_privileges = spec.no_new_privileges;
  if (spec.seccomp == launch::Seccomp::kUnconfined) config.seccomp = "unconfined";
  if (spec.seccomp == launch::Seccomp::kProfile) config.seccomp = spec.seccomp_profile;
  config.mask = spec.mask;
  config.unmask = spec.unmask;
  config.ulimits = spec.ulimits;
  config.limits = spec.limits;
  config.shm_bytes = spec.shm_bytes;
  return config;
}

bool is_directory(int fd) {
  struct stat status;
  if (::fstat(fd, &status) < 0) base::throw_errno("stat the source of a mount");
  return S_ISDIR(status.st_mode);
}

}  // namespace

void ForeignRuntime::leave_host_mounts() {
  static const bool left = [] {
    if (::unshare(CLONE_NEWNS) < 0) base::throw_errno("create mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0)
      base::throw_errno("make mounts private");
    return true;
  }();
  (void)left;
}

ForeignRuntime::ForeignRuntime(Containers& containers, const Config& config, Prepared& prepared)
    : program_(config.runtime),
      id_("torte-" + config.id),
      bundle_(containers.home(config.id).path() / "bundle") {
  refuse_unsuitable(config);
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) base::throw_errno("adopt the runtime's children");
  discard();  // of this container's last life
  try {
    write_files(prepared.spec, prepared.network->hosts_file(),
                [&](const sys::Root& root, const BundlePlace& place) {
                  return runtime_config(containers.layout(), config, root, place);
                });
    create(prepared.spec);
  } catch (...) {
    discard();
    throw;
  }
}

ForeignRuntime::ForeignRuntime(std::string program, const store::Layout& layout,
                               const std::filesystem::path& directory, launch::Spec spec)
    : program_(std::move(program)),
      id_("torte-" + directory.filename().string()),
      bundle_(directory / "bundle") {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) base::throw_errno("adopt the runtime's children");
  try {
    write_files(spec, {}, [&](const sys::Root&, const BundlePlace& place) {
      Config config = config_of(spec);
      for (size_t i = 0; i < spec.mounts.size(); ++i)
        config.mounts.push_back(put_mount(spec.mounts[i], std::to_string(i)));
      launch::Spec process;
      process.identity = spec.identity;
      process.env = spec.env;
      process.capabilities = spec.capabilities;
      return runtime_config(layout, config, std::move(process), place);
    });
    create(spec);
  } catch (...) {
    discard();
    throw;
  }
}

ForeignRuntime::~ForeignRuntime() { discard(); }

std::vector<std::string> ForeignRuntime::command(std::initializer_list<std::string> words) const {
  std::vector<std::string> argv = {program_, "--root", bundle_ / "state", "--log",
                                   bundle_ / "runtime-log"};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

void ForeignRuntime::write_files(launch::Spec& spec, const std::filesystem::path& hosts_file,
                                 const Configuration& configuration) {
  for (const char* name : {"rootfs", "files", "mounts"})
    sys::make_directories(bundle_ / name, 0755);
  const sys::UniqueFd root = launch::make_root(spec);
  sys::attach_mount(root.get(), bundle_ / "rootfs");
  mounted_.push_back(bundle_ / "rootfs");
  // What is secret never gets to a disk.
  sys::FsContext memory("tmpfs");
  memory.set_string("mode", "700");
  sys::attach_mount(memory.mount(MOUNT_ATTR_NOSUID).get(), bundle_ / "mounts");
  mounted_.push_back(bundle_ / "mounts");
  BundlePlace place;
  place.directory = bundle_;
  place.makes_user_namespace = false;
  place.network_namespace = spec.network_namespace < 0
                                ? ""
                                : base::str("/proc/", ::getpid(), "/fd/", spec.network_namespace);
  place.network_host = spec.network == launch::Network::kHost;
  place.hosts_file = hosts_file;
  sys::write_file_durably(bundle_ / "files/hosts", spec.hosts.value_or(""), 0644);
  sys::write_file_durably(bundle_ / "files/hostname", spec.hostname_file.value_or(""), 0644);
  sys::write_file_durably(bundle_ / "files/resolv.conf", spec.resolv_conf.value_or(""), 0644);
  sys::write_file_durably(bundle_ / "config.json",
                          configuration(sys::Root(root.duplicate()), place), 0644);
}

/// A mount of the Spec at a place in the bundle, where the runtime finds it by its name.
MountConfig ForeignRuntime::put_mount(launch::Mount& mount, const std::string& name) {
  using Kind = launch::Mount::Kind;
  MountConfig out;
  out.target = mount.target.str();
  out.read_only = mount.read_only || mount.kind == Kind::kFile;
  out.executable = mount.executable;
  out.mode = mount.mode;
  out.size_bytes = mount.size_bytes;
  if (mount.kind == Kind::kTmpfs) {
    out.type = MountConfig::Type::kTmpfs;
    return out;
  }
  const std::filesystem::path place = bundle_ / "mounts" / name;
  out.source = place;
  out.recursive = mount.recursive;
  const bool directory = mount.kind == Kind::kBind && launch::mount_is_directory(mount);
  if (directory) {
    sys::make_directories(place);
  } else {
    sys::write_file_durably(place, mount.content, mount.mode & 07777);
    if (::chown(place.c_str(), mount.uid, mount.gid) < 0)
      base::throw_errno("set owner of " + place.string());
  }
  if (mount.kind == Kind::kFile) return out;
  sys::UniqueFd source = mount.source.duplicate();
  if (mount.source_is_detached && !mount.source_path.is_root()) {
    // Only what is attached can be cloned in part.
    const std::filesystem::path whole = place.string() + ".whole";
    is_directory(source.get()) ? sys::make_directories(whole)
                               : sys::write_file_durably(whole, "", 0600);
    sys::attach_mount(source.get(), whole);
  }
  if (!mount.source_path.is_root())
    source = sys::Root(std::move(source)).open_at(mount.source_path, O_PATH);
  const bool attachable = mount.source_is_detached && mount.source_path.is_root();
  sys::attach_mount(
      attachable ? source.get() : sys::clone_mount(source.get(), "", mount.recursive).get(), place);
  return out;
}

void ForeignRuntime::create(const launch::Spec& spec) {
  const std::filesystem::path pid_file = bundle_ / "pid";
  const int streams[3] = {spec.stdin_fd, spec.stdout_fd, spec.stderr_fd};
  const int nothing[3] = {-1, -1, -1};
  auto run = [&](const std::vector<std::string>& argv, const int(&on)[3]) {
    if (sys::run_program_on(argv, on).shell_status() == 0) return;
    const std::string said =
        sys::find_user_file(bundle_ / "runtime-log", kMostLog).value_or("it did not say why");
    const bool absent = said.find("not found") != std::string::npos ||
                        said.find("no such file") != std::string::npos ||
                        said.find("No such file") != std::string::npos;
    const bool denied = said.find("ermission denied") != std::string::npos;
    base::Error error(base::Code::kFailed,
                      base::str(program_, ": ", base::printable(base::trim(said))),
                      "runtime-failed");
    if (absent || denied) error.set_exit_status(absent ? 127 : 126);
    throw error;
  };
  run(command({"create", "--bundle", bundle_, "--pid-file", pid_file, id_}), streams);
  const auto pid = base::parse_decimal(base::trim(sys::read_user_file(pid_file, kMostLog)));
  if (!pid)
    throw base::Error(base::Code::kFailed, program_ + " wrote no process number", "runtime-failed");
  container_.emplace(launch::adopt_container(static_cast<pid_t>(*pid)));
  run(command({"start", id_}), nothing);
}

void ForeignRuntime::discard() noexcept {
  try {
    container_.reset();
    const int nothing[3] = {-1, -1, -1};
    if (std::filesystem::exists(bundle_ / "state"))
      sys::run_program_on(command({"delete", "--force", id_}), nothing);
    if (!std::filesystem::exists(bundle_)) return;
    // They are there only in our mount namespace, and only while we live.
    for (; !mounted_.empty(); mounted_.pop_back()) sys::unmount(mounted_.back());
    sys::remove_tree(bundle_);
  } catch (const std::exception&) {
    // What stays is taken away by the next start, or with the container.
  }
}

}  // namespace container
