// torte run: launches an image in the foreground.
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/attach.h"
#include "cli/containers/container_list.h"
#include "cli/containers/network_options.h"
#include "cli/containers/new_container.h"
#include "cli/containers/run_options.h"
#include "cli/context.h"
#include "cli/error_view.h"
#include "runner/container/life.h"
#include "runner/container/monitor.h"

namespace cli {

namespace {

/// A container that is thrown away and has no terminal needs nobody between its streams and ours:
/// this process is its monitor. Unless its user is another one, who could not open /dev/stdout
/// anew.
bool stays_in_this_process(const Arguments& arguments, const container::Config& config) {
  const std::string user = config.user.substr(0, config.user.find(':'));
  const bool is_root = user.empty() || user == "root" || user == "0";
  return config.auto_remove && !config.tty && !arguments.has("detach-keys") && is_root;
}

int run_here(Context& context, container::Containers& containers, NewContainer made,
             int further_fds, const launch::ForwardedSignals& signals) {
  container::MonitorOptions options;
  options.pass_through = options.foreground = true;
  options.stdin_fd = made.config.interactive ? context.in_fd : -1;
  options.stdout_fd = context.out_fd;
  options.stderr_fd = context.err_fd;
  options.further_fds = further_fds;
  options.signals = &signals;
  options.started = [&](const std::string& warning) { warn_of_network(context, warning); };
  return container::monitor(containers, std::move(made.claim), std::move(options));
}

int run_beside(Context& context, NewContainer made, const Arguments& arguments, int further_fds,
               const launch::ForwardedSignals& signals) {
  const container::Config& config = made.config;
  container::StartOptions start = container::start_options(config);
  start.attach = true;
  start.further_fds = further_fds;
  container::Started started =
      container::start_monitor(monitor_command(context), std::move(made.claim), start);
  warn_of_network(context, started.warning);
  AttachOptions options;
  options.input = config.interactive && !start.own_streams;
  options.tty = config.tty;
  options.pass_signals = arguments.is_on("sig-proxy", true);
  options.detach_keys = arguments.get("detach-keys", options.detach_keys);
  const std::optional<int> status = attend_monitor(context, *started.owner, signals, options);
  started.monitor.release();
  return status.value_or(0);
}

int run_run(Context& context, const Arguments& arguments) {
  const int further_fds = preserved_fds(arguments);
  if (arguments.has("detach-keys")) parse_detach_keys(arguments.get("detach-keys"));
  enter_user_namespace_for(context, {arguments.get("network"), arguments.get("pid"),
                                     arguments.get("ipc"), arguments.get("uts")});
  OpenContainers open = open_containers(context);
  container::Containers& containers = open.containers;
  // Before the image is looked up: a prune in between could take the layers.
  store::Lease lease = open.store->lease();
  NewContainer made = make_container(context, arguments, containers, arguments.is_on("rm"));
  // Not while an image is fetched, which has a way of its own to be interrupted.
  launch::ForwardedSignals signals;
  try {
    if (arguments.is_on("detach")) {
      const std::string id = made.config.id;
      container::StartOptions start = container::start_options(made.config);
      start.further_fds = further_fds;
      container::Started started =
          container::start_monitor(monitor_command(context), std::move(made.claim), start);
      started.monitor.release();
      warn_of_network(context, started.warning);
      context.out(id + "\n");
      return 0;
    }
    if (stays_in_this_process(arguments, made.config))
      return run_here(context, containers, std::move(made), further_fds, signals);
    return run_beside(context, std::move(made), arguments, further_fds, signals);
  } catch (const base::Error& e) {
    // 126 and 127: the command could not be run or found.
    if (e.code() != base::Code::kFailed || e.exit_status() <= 0) throw;
    print_error(context, e);
    return e.exit_status();
  }
}

int run_create(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  store::Lease lease = open.store->lease();
  context.out(make_container(context, arguments, open.containers, arguments.is_on("rm")).config.id +
              "\n");
  return 0;
}

int run_monitor_command(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  return container::run_monitor(open.containers, arguments.words());
}

}  // namespace

const Command& run_command() {
  static const Command kCommand = [] {
    Command command{
        .name = "run",
        .aliases = {"container run"},
        .summary = "run a command in a new container",
        .usage = "[FLAGS] IMAGE [COMMAND [ARGUMENT..]]",
        .about =
            "Starts the image's command, or COMMAND, in namespaces of its own. In the foreground "
            "torte stays with it and its exit status is the command's; 125 is torte's own failure, "
            "126 a command that cannot be executed, 127 one that is not found, 128+n death by "
            "signal "
            "n. The container is kept afterwards unless --rm is given: torte start starts it "
            "again, "
            "torte rm removes it. With --rm and without -d or -t it ends together with torte "
            "itself.",
        .group = "containers",
        .flags = new_container_flags(),
        .examples = {{"torte run --rm -it busybox sh", "a shell in a new container"},
                     {"torte run -d --name web --restart on-failure web",
                      "a service in the background"},
                     {"torte run --rm -v ./data:/data:ro app", "with a directory of the host"}},
        .positionals = {0, Positionals::kAny, 1},
        .run = run_run,
        .failure_status = 125,
        .in_user_namespace = false,
    };
    std::vector<Flag> own = {
        {.name = "detach",
         .letter = 'd',
         .help = "leave it in the background and print its id",
         .common = true},
        {.name = "detach-keys",
         .value = "KEYS",
         .help = "leave it in the background when these are typed (default: ctrl-p,ctrl-q)"},
        {.name = "sig-proxy",
         .help = "signals that torte gets are the command's (default: yes)",
         .negatable = true},
        preserve_fds_flag()};
    command.flags.insert(command.flags.begin(), own.begin(), own.end());
    return command;
  }();
  return kCommand;
}

const Command& create_command() {
  static const Command kCommand{
      .name = "create",
      .aliases = {"container create"},
      .summary = "make a container without starting it",
      .usage = "[FLAGS] IMAGE [COMMAND [ARGUMENT..]]",
      .about =
          "Takes the flags of torte run, prints the container's id, and leaves it to torte start.",
      .group = "containers",
      .flags = new_container_flags(),
      .examples = {{"torte start -a $(torte create app)", "the same as torte run app"}},
      .positionals = {0, Positionals::kAny, 1},
      .run = run_create,
      .failure_status = 125,
  };
  return kCommand;
}

const Command& container_monitor_command() {
  static const Command kCommand{
      .name = "container-monitor",
      .summary = "stay with a container (torte starts this itself)",
      .group = "containers",
      .positionals = {7, 7},
      .run = run_monitor_command,
      .failure_status = 125,
      .hidden = true,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
