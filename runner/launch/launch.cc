#include "runner/launch/launch.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/sys/message.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "runner/launch/cgroup.h"
#include "runner/launch/leftovers.h"
#include "runner/launch/plan.h"
#include "runner/launch/rootfs.h"
#include "runner/launch/sandbox.h"
#include "runner/launch/spawn.h"

namespace launch {

namespace {

enum class Known { kUnknown, kYes, kNo };
std::atomic<Known> pid_max_per_namespace{Known::kUnknown};

/// How the limits of one launch are enforced.
struct Enforcement {
  std::unique_ptr<Cgroup> cgroup;
  CgroupDemands demands;
  sys::UniqueFd pid_max_file;
};

/// The default pids limit must not cost a wait (spec/performance.md rule 4), so it is, in this
/// order: the numbers of the pid namespace, where they are its own; RLIMIT_NPROC in a user
/// namespace, which counts its own processes; a cgroup. Limits that were asked for are always a
/// cgroup's.
Enforcement enforce(const Spec& spec) {
  Enforcement how;
  Limits limits = spec.limits;
  bool is_default = !limits.pids;
  bool unlimited = limits.pids && *limits.pids == 0;
  const bool own_pids = !spec.host_pid && spec.pid_namespace < 0;
  if (is_default && own_pids && pid_max_per_namespace.load() != Known::kNo) {
    how.demands.pid_max = kDefaultPids;
    if (pid_max_per_namespace.load() == Known::kUnknown) {
      how.pid_max_file = sys::UniqueFd(::open(kPidMaxPath, O_PATH | O_CLOEXEC));
      how.demands.pid_max_file = how.pid_max_file.get();
    }
  } else if (is_default && (!sys::in_initial_user_namespace() || spec.user_namespace >= 0)) {
    how.demands.process_rlimit = kDefaultPids;
  } else if (is_default) {
    limits.pids = kDefaultPids;
  }
  if (unlimited) limits.pids.reset();
  // Where its end does not end a pid namespace, the group says what was its.
  const bool own_cgroup = spec.own_cgroup || (!own_pids && can_have_cgroup());
  if (!limits.any() && !own_cgroup) {
    // Else its mount namespace does, which must be looked at before the launcher goes on.
    how.demands.wait_for_parent = !own_pids;
    return how;
  }
  how.cgroup = std::make_unique<Cgroup>(limits, own_cgroup, spec.writable_cgroup);
  how.demands.wait_for_parent = how.cgroup->clone_directory() < 0;
  return how;
}

/// Splits the new namespaces into those the process is born into and those it makes itself.
uint64_t share_out_namespaces(const Spec& spec, Enforcement& how) {
  uint64_t flags = CLONE_NEWNS;
  if (!spec.host_pid && spec.pid_namespace < 0) flags |= CLONE_NEWPID;
  if (!spec.host_ipc && spec.ipc_namespace < 0) flags |= CLONE_NEWIPC;
  if (!spec.host_uts && spec.uts_namespace < 0) flags |= CLONE_NEWUTS;
  if (spec.network == Network::kNone) flags |= CLONE_NEWNET;
  const uint64_t groups = spec.host_cgroup ? 0 : CLONE_NEWCGROUP;
  CgroupDemands& demands = how.demands;
  demands.split_off = spec.pid_namespace >= 0;
  if (spec.user_namespace >= 0) {
    // They belong to the user namespace they are made in.
    demands.unshared = flags | groups;
    demands.split_off = demands.split_off || (flags & CLONE_NEWPID) != 0;
    return 0;
  }
  // With a cgroup of its own that namespace is made once the process is in it.
  if (how.cgroup) {
    demands.unshared = groups;
    return flags;
  }
  return flags | groups;
}

/// What the launcher said before it became the program.
struct Report {
  bool failed = false;
  wire::Status status = {};
  sys::UniqueFd console;
  pid_t child = -1;
};

/// One message; false at the end of the stream.
bool receive(int socket, Report& report) {
  sys::UniqueFd fd;
  const auto size =
      sys::receive_message(socket, std::as_writable_bytes(std::span(&report.status, 1)), fd);
  if (!size && errno != ECONNRESET) base::throw_errno("read from launcher");
  if (size.value_or(0) == 0) return false;
  if (fd) report.console = std::move(fd);
  if (report.status.type == wire::Status::kFailed) report.failed = true;
  if (report.status.type == wire::Status::kSplitOff)
    report.child = static_cast<pid_t>(report.status.operation);
  return true;
}

[[noreturn]] void throw_failure(const Plan& plan, const wire::Status& status,
                                const std::string& program) {
  const std::string& what = plan.what(status.operation);
  if (plan.kind(status.operation) != wire::Kind::kExecute)
    throw base::SystemError(what, status.error);
  bool absent = status.error == ENOENT || status.error == ENOTDIR;
  std::string name = base::printable(program);
  base::Error error(base::Code::kFailed,
                    absent ? base::str("command not found: ", name)
                           : base::str("cannot execute ", name, ": ", strerror(status.error)),
                    absent ? "command-not-found" : "command-not-executable");
  error.set_exit_status(absent ? 127 : 126);
  if (absent && program.find('/') != std::string::npos)
    error.add_fact("the file itself, or the interpreter or loader it asks for, is missing");
  throw error;
}

/// The launcher waits until it is where it should be (cgroup v1), or known.
void admit(Cgroup* cgroup, const Spawned& spawned) {
  if (cgroup != nullptr) cgroup->attach(spawned.process.pid());
  sys::write_all(spawned.status.get(), base::as_bytes("x"), "launcher");
}

sys::Process adopt(pid_t pid) {
  int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) base::throw_errno("open process");
  return sys::Process(pid, sys::UniqueFd(fd));
}

/// One try; nullopt when pid_max turned out to be the machine's and another limit must be used.
struct Started {
  sys::Process process;
  sys::UniqueFd console;
  std::unique_ptr<Leftovers> leftovers;
  sys::UniqueFd status;  ///< of a launcher that waits to be told to go on
  Plan plan;
};
std::optional<Started> try_start(const Spec& spec, int root_fd, Enforcement& how) {
  Held held;
  SpawnOptions options;
  options.namespaces = share_out_namespaces(spec, how);
  Plan plan = plan_sandbox(spec, root_fd, how.demands, held);
  if (how.cgroup) options.cgroup = how.cgroup->clone_directory();
  const int wanted[3] = {spec.stdin_fd, spec.stdout_fd, spec.stderr_fd};
  for (int i = 0; i < 3; ++i) options.stdio[i] = spec.tty ? -1 : wanted[i];
  Spawned spawned = spawn(plan, options);
  std::unique_ptr<Leftovers> leftovers;
  if (!how.cgroup && how.demands.wait_for_parent)
    leftovers = std::make_unique<Leftovers>(spawned.process.pid());
  if (how.demands.wait_for_parent) admit(how.cgroup.get(), spawned);
  Report report;
  bool waits = false;
  while (!report.failed && !waits && receive(spawned.status.get(), report)) {
    if (report.status.type == wire::Status::kSplitOff) spawned.process = adopt(report.child);
    waits = report.status.type == wire::Status::kReady;
  }
  if (report.failed) {
    if (plan.kind(report.status.operation) == wire::Kind::kExpectOther) return std::nullopt;
    throw_failure(plan, report.status, spec.argv[0]);
  }
  Started started{
      std::move(spawned.process), std::move(report.console), std::move(leftovers), {}, {}};
  if (waits) {
    started.status = std::move(spawned.status);
    started.plan = std::move(plan);
  }
  return started;
}

Spec with_privileges(Spec spec) {
  if (spec.privileged) spec.capabilities = all_capabilities();
  spec.capabilities &= all_capabilities();
  return spec;
}

}  // namespace

/// The launcher that waits to become the program.
struct Container::Gate {
  sys::UniqueFd status;
  Plan plan;
  std::string program;
};

Container::Container(sys::Process process, sys::UniqueFd console, std::unique_ptr<Cgroup> cgroup)
    : cgroup_(std::move(cgroup)), console_(std::move(console)), process_(std::move(process)) {}
Container::Container(Container&&) noexcept = default;
Container& Container::operator=(Container&&) noexcept = default;

// Members go in reverse order: the process is killed and waited for, then the group is removed.
Container::~Container() = default;

sys::ExitStatus Container::wait() {
  sys::ExitStatus status = process_.wait();
  leftovers_.reset();
  if (cgroup_) {
    cgroup_->kill_all();
    cgroup_.reset();
  }
  return status;
}

std::vector<std::string> Container::cgroups() const {
  return cgroup_ ? cgroup_->directories() : std::vector<std::string>();
}

uint64_t Container::memory_kills() const { return cgroup_ ? cgroup_->memory_kills() : 0; }

void Container::go() {
  CHECK(gate_ != nullptr);
  const std::unique_ptr<Gate> gate = std::move(gate_);
  base::with_context("start container", [&] {
    sys::write_all(gate->status.get(), base::as_bytes("x"), "launcher");
    Report report;
    while (!report.failed && receive(gate->status.get(), report)) {
    }
    if (report.failed) throw_failure(gate->plan, report.status, gate->program);
  });
}

void Container::leave() && {
  process_.release();
  if (leftovers_) leftovers_->release();
}

bool can_have_cgroup() { return Cgroup::available("freezer"); }

void Container::pause() {
  if (!cgroup_)
    throw base::Error(base::Code::kUnsupported, "pausing needs a cgroup", "pause-unsupported");
  cgroup_->freeze(true);
}

void Container::resume() {
  if (cgroup_) cgroup_->freeze(false);
}

void Container::update(const Limits& limits) {
  if (!limits.any()) return;
  if (!cgroup_)
    throw base::Error(base::Code::kUnsupported, "the container has no cgroup to limit it with",
                      "no-cgroup");
  cgroup_->apply(limits);
}

Container launch(Spec given) {
  Spec spec = with_privileges(std::move(given));
  return base::with_context("start container", [&] {
    sys::UniqueFd root = make_root(spec);
    Enforcement how = enforce(spec);
    bool asked = how.demands.pid_max_file >= 0;
    std::optional<Started> started = try_start(spec, root.get(), how);
    if (!started) {
      pid_max_per_namespace.store(Known::kNo);
      how = enforce(spec);
      started = try_start(spec, root.get(), how);
      CHECK(started.has_value());
    } else if (asked) {
      pid_max_per_namespace.store(Known::kYes);
    }
    Container container(std::move(started->process), std::move(started->console),
                        std::move(how.cgroup));
    container.leftovers_ = std::move(started->leftovers);
    if (started->status)
      container.gate_ = std::make_unique<Container::Gate>(
          Container::Gate{std::move(started->status), std::move(started->plan), spec.argv[0]});
    return container;
  });
}

Container adopt_container(pid_t pid) { return Container(adopt(pid), sys::UniqueFd(), nullptr); }

Container join(int pidfd, Spec given) {
  Spec spec = with_privileges(std::move(given));
  return base::with_context("join container", [&] {
    std::unique_ptr<Cgroup> cgroup = Cgroup::of_container(pidfd);
    CgroupDemands demands;
    demands.wait_for_parent = cgroup->needs_attach();
    Plan plan = plan_join(spec, pidfd, demands);
    SpawnOptions options;
    options.cgroup = cgroup->clone_directory();
    const int wanted[3] = {spec.stdin_fd, spec.stdout_fd, spec.stderr_fd};
    for (int i = 0; i < 3; ++i) options.stdio[i] = spec.tty ? -1 : wanted[i];
    Spawned spawned = spawn(plan, options);
    if (demands.wait_for_parent) admit(cgroup.get(), spawned);
    Report report;
    while (!report.failed && receive(spawned.status.get(), report)) {
      if (report.status.type == wire::Status::kSplitOff) spawned.process = adopt(report.child);
    }
    if (report.failed) throw_failure(plan, report.status, spec.argv[0]);
    CHECK(report.child > 0);
    return Container(std::move(spawned.process), std::move(report.console), nullptr);
  });
}

}  // namespace launch
