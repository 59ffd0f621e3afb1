#include "runner/container/foreign_runtime.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
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
  const char* what = config.tty                  ? "a terminal (-t)"
                     : config.init               ? "--init"
                     : has_own_ids(config)       ? "--userns"
                     : !config.devices.empty()   ? "--device"
                                                 : nullptr;
  if (what == nullptr) return;
  throw base::Error(base::Code::kUnsupported,
                    base::str(what, " together with --runtime is not built"), "runtime-unsupported");
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
    write_files(containers, config, prepared);
    create(prepared.spec);
  } catch (...) {
    discard();
    throw;
  }
}

ForeignRuntime::~ForeignRuntime() { discard(); }

std::vector<std::string> ForeignRuntime::command(std::initializer_list<std::string> words) const {
  std::vector<std::string> argv = {program_, "--root", bundle_ / "state", "--log", bundle_ / "runtime-log"};
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

void ForeignRuntime::write_files(const Containers& containers, const Config& config, Prepared& prepared) {
  sys::make_directories(bundle_ / "rootfs", 0755);
  sys::make_directories(bundle_ / "files", 0755);
  const launch::Spec& spec = prepared.spec;
  const sys::UniqueFd root = launch::make_root(prepared.spec);
  sys::attach_mount(root.get(), bundle_ / "rootfs");
  is_mounted_ = true;
  BundlePlace place;
  place.directory = bundle_;
  place.makes_user_namespace = false;
  place.network_namespace =
      spec.network_namespace < 0 ? "" : base::str("/proc/", ::getpid(), "/fd/", spec.network_namespace);
  place.network_host = spec.network == launch::Network::kHost;
  place.hosts_file = prepared.network->hosts_file();
  sys::write_file_durably(bundle_ / "files/hosts", spec.hosts.value_or(""), 0644);
  sys::write_file_durably(bundle_ / "files/hostname", spec.hostname_file.value_or(""), 0644);
  sys::write_file_durably(bundle_ / "files/resolv.conf", spec.resolv_conf.value_or(""), 0644);
  sys::write_file_durably(bundle_ / "config.json",
                          runtime_config(containers.layout(), config, sys::Root(root.duplicate()), place), 0644);
}

void ForeignRuntime::create(const launch::Spec& spec) {
  const std::filesystem::path pid_file = bundle_ / "pid";
  const int streams[3] = {spec.stdin_fd, spec.stdout_fd, spec.stderr_fd};
  const int nothing[3] = {-1, -1, -1};
  auto run = [&](const std::vector<std::string>& argv, const int (&on)[3]) {
    if (sys::run_program_on(argv, on).shell_status() == 0) return;
    const std::string said =
        sys::find_user_file(bundle_ / "runtime-log", kMostLog).value_or("it did not say why");
    const bool absent = said.find("not found") != std::string::npos ||
                        said.find("no such file") != std::string::npos ||
                        said.find("No such file") != std::string::npos;
    const bool denied = said.find("ermission denied") != std::string::npos;
    base::Error error(base::Code::kFailed, base::str(program_, ": ", base::printable(base::trim(said))),
                      "runtime-failed");
    if (absent || denied) error.set_exit_status(absent ? 127 : 126);
    throw error;
  };
  run(command({"create", "--bundle", bundle_, "--pid-file", pid_file, id_}), streams);
  const auto pid = base::parse_decimal(base::trim(sys::read_user_file(pid_file, kMostLog)));
  if (!pid) throw base::Error(base::Code::kFailed, program_ + " wrote no process number", "runtime-failed");
  container_.emplace(launch::adopt_container(static_cast<pid_t>(*pid)));
  run(command({"start", id_}), nothing);
}

void ForeignRuntime::discard() noexcept {
  try {
    container_.reset();
    const int nothing[3] = {-1, -1, -1};
    if (std::filesystem::exists(bundle_ / "state")) sys::run_program_on(command({"delete", "--force", id_}), nothing);
    if (!std::filesystem::exists(bundle_)) return;
    // It is there only in our mount namespace, and only while we live.
    if (is_mounted_) sys::unmount(bundle_ / "rootfs");
    is_mounted_ = false;
    sys::remove_tree(bundle_);
  } catch (const std::exception&) {
    // What stays is taken away by the next start, or with the container.
  }
}

}  // namespace container
