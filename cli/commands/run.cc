// torte run: launches an image in the foreground.
#include <poll.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/sys/lock.h"
#include "base/text.h"
#include "cli/base_images.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/error_view.h"
#include "cli/network_options.h"
#include "cli/run_options.h"
#include "overlay/snapshot.h"
#include "runner/launch/launch.h"
#include "runner/launch/stub_layer.h"
#include "runner/launch/terminal.h"
#include "runner/network/network.h"
#include "store/store.h"

namespace cli {

namespace {

constexpr const char* kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::vector<std::string> command_line(const Arguments& arguments, const oci::ContainerConfig& image) {
  std::vector<std::string> command = image.entrypoint;
  std::vector<std::string> rest(arguments.words().begin() + 1, arguments.words().end());
  if (auto entrypoint = arguments.find("entrypoint")) {
    command.clear();
    if (!entrypoint->empty()) command.push_back(*entrypoint);
  } else if (rest.empty()) {
    rest = image.cmd;
  }
  command.insert(command.end(), rest.begin(), rest.end());
  if (command.empty())
    throw base::Error(base::Code::kInvalid, "the image names no command; give one after its name",
                      "no-command");
  return command;
}

bool has_variable(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& variable : environment)
    if (variable.starts_with(name) && variable.substr(name.size()).starts_with("=")) return true;
  return false;
}

void set_environment(const Context& context, const Arguments& arguments,
                     const oci::ContainerConfig& image, launch::Spec& spec) {
  spec.env = container_environment(context, arguments, image.env);
  if (!has_variable(spec.env, "PATH")) spec.env.push_back(kDefaultPath);
  if (!has_variable(spec.env, "HOSTNAME")) spec.env.push_back("HOSTNAME=" + spec.hostname);
  if (!has_variable(spec.env, "HOME")) spec.env.push_back("HOME=" + spec.identity.home);
  if (spec.tty && !has_variable(spec.env, "TERM")) spec.env.push_back("TERM=xterm");
}

// A name is held while its container runs.
std::optional<sys::FileLock> take_name(const Arguments& arguments, const store::Store& store) {
  std::optional<std::string> name = arguments.find("name");
  if (!name) return std::nullopt;
  if (name->empty() || name->find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                               "0123456789_.-") != std::string::npos)
    throw UsageError("--name " + base::printable(*name) + ": letters, digits, _ . - only");
  sys::make_directories(store.layout().locks());
  auto lock = sys::FileLock::try_acquire(store.layout().locks() / ("container-" + *name),
                                         sys::FileLock::Mode::kExclusive);
  if (!lock)
    throw base::Error(base::Code::kUnavailable, "a container named " + *name + " is running",
                      "name-in-use");
  return lock;
}

int run_run(Context& context, const Arguments& arguments) {
  auto store = store::Store::open(context.root, store::Access::kReadWrite);
  // Before the look-up: a prune in between could take the layers.
  store::Lease lease = store->lease();
  store::ImageRecord image = get_image_to_run(context, arguments, *store, arguments.word(0));
  launch::ForwardedSignals signals;
  oci::ImageConfig config = read_config(*store, image);
  std::optional<sys::FileLock> name = take_name(arguments, *store);

  overlay::Active active(*store, overlay::open_stack(*store, image.layers), "run");
  launch::Spec spec;
  spec.argv = command_line(arguments, config.config);
  spec.cwd = arguments.get("workdir", config.config.working_dir.empty() ? "/" : config.config.working_dir);
  // Twelve hex digits, as other engines name a container that got no name.
  std::string unique = base::sha256_hex(base::as_bytes(active.staging().path().string())).substr(0, 12);
  spec.hostname = arguments.get("hostname", arguments.get("name", unique));
  spec.tty = arguments.is_on("tty");
  spec.init = arguments.is_on("init");
  std::string user = arguments.get("user", config.config.user);
  {
    overlay::View view(*store, active.below());
    spec.identity = launch::resolve_user(view.root(), user);
  }
  network::Connection net = network::connect(
      network_state(context),
      network_request(arguments, unique, spec.hostname, config.config.exposed_ports));
  apply_network(context, net, spec);
  spec.hostname_file = spec.hostname + "\n";
  apply_container_flags(arguments, spec);
  set_environment(context, arguments, config.config, spec);

  sys::UniqueFd stubs = launch::open_stub_layer(store->layout().stubs());
  sys::UniqueFd work = active.make_work();
  spec.root.lowers = overlay::lower_fds(active.below());
  spec.root.stubs = stubs.get();
  spec.root.init_layer = active.init().fd();
  spec.root.upper = active.upper().fd();
  spec.root.work = work.get();
  spec.root.is_volatile = true;  // the container is thrown away at its end
  spec.root.userxattr = overlay::uses_user_xattrs();
  bool interactive = arguments.is_on("interactive");
  spec.stdin_fd = interactive ? context.in_fd : -1;
  spec.stdout_fd = context.out_fd;
  spec.stderr_fd = context.err_fd;
  std::optional<launch::RawTerminal> raw;
  if (spec.tty) {
    if (auto size = launch::terminal_size(context.out_fd)) {
      spec.tty_rows = size->rows;
      spec.tty_columns = size->columns;
    }
  }
  try {
    launch::Container container = launch::launch(std::move(spec));
    net.release_namespace();  // it ends with the container
    if (arguments.is_on("tty") && interactive) raw.emplace(context.in_fd);
    sys::ExitStatus status = launch::attend(
        container, signals, {interactive ? context.in_fd : -1, context.out_fd});
    return status.shell_status();
  } catch (const base::Error& e) {
    // 126 and 127: the command could not be run or found.
    if (e.code() != base::Code::kFailed || e.exit_status() <= 0) throw;
    print_error(context, e);
    return e.exit_status();
  }
}

}  // namespace

const Command& run_command() {
  static const Command kCommand = [] {
    Command command{
        .name = "run",
        .aliases = {"container run"},
        .summary = "run a command in a new container",
        .usage = "[FLAGS] IMAGE [COMMAND [ARGUMENT..]]",
        .about = "Starts the image's command, or COMMAND, in namespaces of its own and stays with it. "
                 "The container is removed when the command ends; keeping it is not built yet. "
                 "The exit status is the command's; 125 is torte's own failure, 126 a command that "
                 "cannot be executed, 127 one that is not found, 128+n death by signal n.",
        .group = "build and run",
        .flags = with_pull_flags(
            {{.name = "rm", .help = "remove the container at its end (always done so far)", .common = true},
             {.name = "interactive", .letter = 'i', .help = "give it our standard input", .common = true},
             {.name = "tty", .letter = 't', .help = "give it a terminal", .common = true},
             {.name = "name", .value = "NAME", .help = "name of the container while it runs"},
             {.name = "hostname", .letter = 'h', .value = "NAME", .help = "its host name"},
             {.name = "workdir", .letter = 'w', .value = "PATH", .help = "directory the command starts in"},
             {.name = "user", .letter = 'u', .value = "USER[:GROUP]", .help = "user the command runs as"},
             {.name = "entrypoint", .value = "COMMAND", .help = "replaces the image's entry point"},
             {.name = "init", .help = "a small init reaps orphans and passes signals on"}}),
        .examples = {{"torte run --rm -it busybox sh", "a shell in a new container"},
                     {"torte run --rm -v ./data:/data:ro app", "with a directory of the host"}},
        .positionals = {1, Positionals::kAny, 1},
        .run = run_run,
        .failure_status = 125,
    };
    for (const std::vector<Flag>& more : {network_flags(), container_flags()})
      command.flags.insert(command.flags.end(), more.begin(), more.end());
    return command;
  }();
  return kCommand;
}

}  // namespace cli
