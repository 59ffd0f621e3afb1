#include "builder/solve/run_step.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "runner/launch/identity.h"
#include "runner/launch/stub_layer.h"
#include "runner/network/network.h"

namespace solve {

namespace {

// What is as usual is not mentioned: most keys know nothing of all this.
void define_sandbox(const Sandbox& sandbox, cache::Definition& definition) {
  for (const launch::Ulimit& limit : sandbox.ulimits)
    definition.add("ulimit", base::str(limit.resource, "=", limit.soft, ":", limit.hard));
  if (sandbox.capabilities != launch::default_capabilities())
    definition.add("capabilities", base::str(sandbox.capabilities));
  if (sandbox.no_new_privileges) definition.add("no-new-privileges", "true");
  if (sandbox.seccomp == launch::Seccomp::kUnconfined) definition.add("seccomp", "unconfined");
  if (sandbox.seccomp == launch::Seccomp::kProfile)
    definition.add("seccomp", sandbox.seccomp_profile);
  for (const std::string& group : sandbox.groups) definition.add("group", group);
  for (const HostDevice& device : sandbox.devices) definition.add("device", device.target);
  for (const std::string& path : sandbox.mask) definition.add("mask", path);
  for (const std::string& path : sandbox.unmask) definition.add("unmask", path);
}

}  // namespace

void define_run(const plan::RunStep& step, const Options& options, cache::Definition& definition) {
  for (const std::string& argument : step.argv) definition.add("argv", argument);
  for (const std::string& variable : step.env) definition.add("env", variable);
  definition.add("cwd", step.cwd);
  definition.add("user", step.user);
  definition.add("hostname", options.hostname);
  definition.add("network", step.network);
  if (step.insecure) definition.add("security", "insecure");
  define_sandbox(options.sandbox, definition);
  for (const auto& [name, address] : options.extra_hosts) definition.add("host", name);
  for (const dockerfile::Device& device : step.devices)
    definition.add("device", device.name + (device.required ? " required" : ""));
  if (step.script) definition.add("script", step.script->content);
  for (const plan::Mount& mount : step.mounts) {
    definition.add(
        "mount",
        base::str("type=", static_cast<int>(mount.type), " target=", mount.target,
                  " read_only=", mount.read_only ? 1 : 0, " id=", mount.id, " env=", mount.env,
                  " source=", mount.source, " required=", mount.required ? 1 : 0));
    if (const auto* host = std::get_if<plan::FromHost>(&mount.from);
        host != nullptr && host->covered)
      definition.add("mount.covered", mount.target);
  }
}

namespace {

network::Connection connect_step(const plan::RunStep& step, const overlay::Active& active,
                                 const Options& options) {
  network::Request request = network::parse_mode(step.network);
  // A step that names no network must also run where none can be made: offline, in small sandboxes.
  request.may_fall_back = step.network == "default";
  request.is_apart = request.mode == network::Mode::kPrivate;
  request.id = base::sha256_hex(base::as_bytes(active.staging().path().string())).substr(0, 12);
  request.hostname = options.hostname;
  request.extra_hosts = options.extra_hosts;
  request.dns = options.dns;
  request.dns_search = options.dns_search;
  request.dns_options = options.dns_options;
  return network::connect(options.network_state, request);
}

// The passwd entry gives HOME; a lookup through the merged view sees what earlier steps wrote.
launch::Identity identity_of(const plan::RunStep& step, overlay::Active& active,
                             store::Store& store, const std::vector<std::string>& groups) {
  overlay::View view(store, active.below());
  launch::Identity identity = launch::resolve_user(view.root(), step.user);
  for (const std::string& group : groups)
    identity.groups.push_back(launch::resolve_group_name(view.root(), group));
  return identity;
}

bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& variable) {
    return variable.starts_with(name) && variable.size() > name.size() &&
           variable[name.size()] == '=';
  });
}

// A step may be started several times, and a launch uses its mounts up.
launch::Mount copy_mount(const PreparedMount& prepared) {
  const launch::Mount& mount = prepared.mount;
  launch::Mount copy;
  copy.kind = mount.kind;
  copy.target = mount.target;
  copy.read_only = mount.read_only;
  copy.executable = mount.executable;
  if (prepared.make_source)
    copy.source = prepared.make_source();
  else if (mount.source)
    copy.source = mount.source.duplicate();
  copy.source_path = mount.source_path;
  copy.source_is_detached = mount.source_is_detached;
  copy.recursive = mount.recursive;
  copy.devices = mount.devices;
  copy.content = mount.content;
  copy.mode = mount.mode;
  copy.uid = mount.uid;
  copy.gid = mount.gid;
  copy.size_bytes = mount.size_bytes;
  return copy;
}

// On a network of containers the file changes when they come and go, so it is bound.
launch::Mount hosts_mount(const std::filesystem::path& file) {
  launch::Mount mount;
  mount.target = sys::RootedPath("/etc/hosts");
  mount.source = sys::UniqueFd(::open(file.c_str(), O_PATH | O_CLOEXEC));
  if (!mount.source) base::throw_errno("open " + file.string());
  mount.read_only = true;
  mount.executable = false;
  return mount;
}

launch::Mount device_mount(const HostDevice& device) {
  launch::Mount mount;
  mount.source = sys::UniqueFd(::open(device.source.c_str(), O_PATH | O_CLOEXEC));
  if (!mount.source) base::throw_errno("device " + base::printable(device.source));
  mount.target = sys::RootedPath(device.target);
  mount.devices = true;
  return mount;
}

// A device that is only wished for may be missing. Names that are no paths are those of device
// specifications (CDI), which nothing here reads: such devices are missing always. [R4]
void add_devices(const plan::RunStep& step, const RunEnvironment& env, launch::Spec& spec) {
  for (const dockerfile::Device& device : step.devices) {
    struct stat st;
    if (device.name.starts_with("/dev/") && ::stat(device.name.c_str(), &st) == 0 &&
        (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))) {
      spec.mounts.push_back(device_mount({device.name, device.name}));
      continue;
    }
    const std::string what = base::str("this machine has no device ", base::printable(device.name));
    if (device.required)
      throw base::Error(base::Code::kNotFound, what, "device-missing")
          .add_help(
              "torte knows devices by their paths, as in /dev/fuse; names of CDI are not known");
    env.warn("device-missing", what + "; the step runs without it");
  }
}

launch::Spec make_spec(const plan::RunStep& step, overlay::Active& active,
                       const network::Connection& net, RunEnvironment& env) {
  launch::Spec spec;
  spec.argv = step.argv;
  spec.env = step.env;
  spec.env.insert(spec.env.end(), step.unkeyed_env.begin(), step.unkeyed_env.end());
  for (const std::string& variable : env.secret_env) {
    bool is_agent = variable.starts_with("SSH_AUTH_SOCK=");
    if (!is_agent || !has_variable(spec.env, "SSH_AUTH_SOCK")) spec.env.push_back(variable);
  }
  spec.cwd = step.cwd.empty() ? "/" : step.cwd;
  spec.identity = identity_of(step, active, env.store, env.options.sandbox.groups);
  if (!has_variable(spec.env, "HOME")) spec.env.push_back("HOME=" + spec.identity.home);
  const Sandbox& sandbox = env.options.sandbox;
  spec.capabilities = sandbox.capabilities;
  spec.no_new_privileges = sandbox.no_new_privileges;
  spec.seccomp = sandbox.seccomp;
  spec.seccomp_profile = sandbox.seccomp_profile;
  spec.mask = sandbox.mask;
  spec.unmask = sandbox.unmask;
  spec.ulimits = sandbox.ulimits;
  spec.limits = sandbox.limits;
  spec.privileged = step.insecure;
  spec.hostname = env.options.hostname;
  spec.network = net.mode() == network::Mode::kHost   ? launch::Network::kHost
                 : net.mode() == network::Mode::kNone ? launch::Network::kNone
                                                      : launch::Network::kJoin;
  spec.network_namespace = net.namespace_fd();
  if (net.hosts_file().empty())
    spec.hosts = net.hosts();
  else
    spec.mounts.push_back(hosts_mount(net.hosts_file()));
  spec.resolv_conf = net.resolv_conf();
  spec.shm_bytes = env.options.shm_bytes;
  for (const HostDevice& device : sandbox.devices) spec.mounts.push_back(device_mount(device));
  add_devices(step, env, spec);
  for (const PreparedMount& prepared : env.mounts) spec.mounts.push_back(copy_mount(prepared));
  if (step.script) {
    launch::Mount script;
    script.kind = launch::Mount::Kind::kFile;
    script.target = sys::RootedPath("/dev/pipes").below(step.script->name);
    script.content = step.script->content;
    script.mode = 0755;
    spec.mounts.push_back(std::move(script));
  }
  return spec;
}

// Programs say it in many ways, or not at all, when the disk under them is full.
bool is_full(int directory_fd) {
  constexpr uint64_t kNearlyNothing = 256 << 10;
  struct statvfs space;
  return ::fstatvfs(directory_fd, &space) == 0 &&
         (uint64_t{space.f_bavail} * space.f_frsize < kNearlyNothing ||
          (space.f_files > 0 && space.f_favail == 0));
}

// What shells and the kernel mean by a status, where people ask. [spec/ux.md 4]
const char* usual_cause(int status) {
  switch (status) {
    case 126:
      return "126 is a program that is there and cannot be run: its mode, the interpreter in its "
             "#! line (CRLF line ends "
             "count), or another processor's code";
    case 127:
      return "127 is a program that the shell did not find: a package that is not installed, a "
             "misspelt name, or PATH";
    case 139:
      return "139 is a crash: the program touched memory that it does not have";
    default:
      return nullptr;
  }
}

[[noreturn]] void fail_run(const plan::RunStep& step, const sys::ExitStatus& status,
                           const overlay::Active& active, const store::Layout& layout,
                           bool had_network, uint64_t memory_kills) {
  int number = status.shell_status();
  std::string text =
      status.signal != 0
          ? base::str("RUN was ended by signal ", status.signal, " (SIG",
                      sigabbrev_np(status.signal) != nullptr ? sigabbrev_np(status.signal) : "?",
                      "), status ", number)
          : base::str("RUN failed with status ", number);
  base::Error error(base::Code::kFailed, text, "run-failed");
  error.set_exit_status(number);
  if (const char* usual = usual_cause(number)) error.add_fact(usual);
  if (memory_kills > 0)
    error.add_fact(
        "the kernel killed a process of the step: it needs more memory than --memory allows");
  if (is_full(active.upper().fd())) {
    error.add_fact("no space left on the file system of " + base::printable(layout.root().string()))
        .add_help("torte prune removes what nothing needs, torte df shows what needs the disk");
  } else if (step.network == "default" && !had_network) {
    error.add_help("the step had no network (see the warning); --network host uses the machine's");
  }
  throw error;
}

[[noreturn]] void fail_late(std::chrono::milliseconds limit, const char* flag) {
  constexpr int kTimeoutStatus = 124;  // as timeout(1) has it
  base::Error error(
      base::Code::kFailed,
      base::str("RUN was stopped after ", base::format_elapsed(limit), ", as ", flag, " says"),
      "step-timeout");
  error.set_exit_status(kTimeoutStatus);
  throw error;
}

// A program for another machine runs where the kernel has a handler for it (binfmt_misc). Asking
// the kernel is the only sure way to know; when it says no, this says why.
launch::Container start(const plan::RunStep& step, const Options& options, launch::Spec spec,
                        std::shared_ptr<void>& keep) {
  constexpr int kCannotExecute = 126;
  try {
    return options.launcher ? options.launcher(std::move(spec), keep)
                            : launch::launch(std::move(spec));
  } catch (base::Error& e) {
    oci::Platform here = oci::Platform::host();
    if (e.exit_status() != kCannotExecute || step.platform.architecture.empty() ||
        step.platform.architecture == here.architecture)
      throw;
    base::Error foreign(
        base::Code::kFailed,
        base::str("this machine (", here.str(), ") cannot run programs for ", step.platform.str()),
        "foreign-platform");
    foreign.set_exit_status(kCannotExecute);
    foreign.add_fact(e.message());
    foreign.add_help(
        "install Debian's packages qemu-user-static and binfmt-support, or build on such a "
        "machine");
    foreign.add_help(
        "FROM --platform=$BUILDPLATFORM runs a stage on this machine that makes files for the "
        "other");
    throw foreign;
  }
}

void forward_output(int pipe_end, const std::function<void(std::string_view)>& output) {
  char buffer[64 * 1024];
  for (;;) {
    ssize_t n = ::read(pipe_end, buffer, sizeof buffer);
    if (n > 0) output(std::string_view(buffer, static_cast<size_t>(n)));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
  }
}

}  // namespace

namespace {

/// The root of a step, for one launch.
struct StepRoot {
  sys::UniqueFd stubs;
  sys::UniqueFd work;
  void put_into(launch::Spec& spec, overlay::Active& active, const store::Layout& layout) {
    stubs = launch::open_stub_layer(layout.stubs());
    work = active.make_work();
    spec.root.stubs = stubs.get();
    spec.root.init_layer = active.init().fd();
    spec.root.lowers = overlay::lower_fds(active.below());
    spec.root.upper = active.upper().fd();
    spec.root.work = work.get();
    spec.root.is_volatile = true;
    spec.root.userxattr = overlay::uses_user_xattrs();
  }
};

// Another program in place of the step's own, on torte's own terminal.
void run_shell(const plan::RunStep& step, const std::vector<std::string>& argv,
               overlay::Active& active, RunEnvironment& environment) {
  network::Connection net = connect_step(step, active, environment.options);
  launch::Spec spec = make_spec(step, active, net, environment);
  StepRoot root;
  root.put_into(spec, active, environment.store.layout());
  spec.argv = argv;
  spec.stdin_fd = STDIN_FILENO;
  spec.stdout_fd = STDOUT_FILENO;
  spec.stderr_fd = STDERR_FILENO;
  launch::Container container = launch::launch(std::move(spec));
  net.release_namespace();
  container.wait();
}

void run_once(const plan::RunStep& step, overlay::Active& active, RunEnvironment& environment) {
  network::Connection net = connect_step(step, active, environment.options);
  if (!net.warning().empty()) environment.warn("no-private-network", net.warning());
  launch::Spec spec = make_spec(step, active, net, environment);
  StepRoot root;
  root.put_into(spec, active, environment.store.layout());

  sys::Pipe pipe = sys::make_pipe();
  // Whoever the program is, it may open /dev/stdout anew. Only its own processes find the pipe.
  if (::fchmod(pipe.read_end.get(), 0666) < 0)
    base::throw_errno("open the step's output to its user");
  spec.stdout_fd = pipe.write_end.get();
  spec.stderr_fd = pipe.write_end.get();
  std::shared_ptr<void> keep;
  launch::Container container = start(step, environment.options, std::move(spec), keep);
  pipe.write_end.reset();
  net.release_namespace();

  pollfd wait[2] = {{pipe.read_end.get(), POLLIN, 0}, {container.pidfd(), POLLIN, 0}};
  ::fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK);
  const auto begin = std::chrono::steady_clock::now();
  auto limit = environment.options.sandbox.timeout;
  const bool has_shorter = step.timeout && (!limit || *step.timeout < *limit);
  if (has_shorter) limit = step.timeout;
  for (bool ended = false; !ended;) {
    if (limit && std::chrono::steady_clock::now() - begin >= *limit)
      fail_late(*limit, has_shorter ? "its --timeout" : "--step-timeout");
    if (::poll(wait, 2, 200) < 0 && errno != EINTR) base::throw_errno("wait for step");
    if (environment.options.stop.stop_requested())
      throw base::Error(base::Code::kCancelled, "build cancelled", "cancelled");
    if (wait[0].revents != 0) forward_output(pipe.read_end.get(), environment.output);
    // A hang-up alone: everybody closed the pipe; only the end of the program is still to come.
    if ((wait[0].revents & (POLLHUP | POLLIN)) == POLLHUP) wait[0].fd = -1;
    ended = (wait[1].revents & POLLIN) != 0;
  }
  const uint64_t memory_kills = container.memory_kills();  // its cgroup goes with wait()
  sys::ExitStatus status = container.wait();
  forward_output(pipe.read_end.get(), environment.output);
  if (status.shell_status() != 0)
    fail_run(step, status, active, environment.store.layout(), net.mode() != network::Mode::kNone,
             memory_kills);
}

void pause(std::chrono::seconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any nobody;
  std::unique_lock lock(mutex);
  nobody.wait_for(lock, stop, time, [] { return false; });
  if (stop.stop_requested())
    throw base::Error(base::Code::kCancelled, "build cancelled", "cancelled");
}

// RUN --retry: each trial begins with the files that the first one found. [dockerfile 15]
void run_trials(const plan::RunStep& step, overlay::Active& active, RunEnvironment& environment) {
  using std::chrono::seconds;
  seconds time(1);
  for (int left = step.retries;; --left) {
    try {
      return run_once(step, active, environment);
    } catch (const base::Error& e) {
      if (e.code() != base::Code::kFailed || left == 0) throw;
      environment.output(base::str("torte: ", e.message(), "; again in ", time.count(), "s, ", left,
                                   left == 1 ? " trial" : " trials", " left\n"));
    }
    pause(time, environment.options.stop);
    active.start_over("build");
    time = std::min(time * 2, seconds(30));
  }
}

}  // namespace

bool execute_run(const plan::RunStep& step, overlay::Active& active, RunEnvironment environment) {
  for (bool meddled = false;; meddled = true) {
    try {
      run_trials(step, active, environment);
      return meddled;
    } catch (const base::Error& e) {
      if (e.code() != base::Code::kFailed || !environment.options.on_failure) throw;
      AfterFailure next =
          environment.options.on_failure(e, [&](const std::vector<std::string>& argv) {
            run_shell(step, argv, active, environment);
          });
      if (next == AfterFailure::kContinue) return true;
      if (next == AfterFailure::kGiveUp) throw;
    }
  }
}

}  // namespace solve
