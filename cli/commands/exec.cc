// torte exec: another program in a running container.
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/attach.h"
#include "cli/containers/container_list.h"
#include "cli/containers/run_options.h"
#include "cli/error_view.h"
#include "runner/container/prepare.h"
#include "runner/launch/open_pipes.h"
#include "runner/launch/terminal.h"

namespace cli {

namespace {

void set_environment(const Context& context, const Arguments& arguments, launch::Spec& spec) {
  for (std::string& variable : container_environment(context, arguments, {})) {
    const std::string name = variable.substr(0, variable.find('=') + 1);
    std::erase_if(spec.env, [&](const std::string& known) { return known.starts_with(name); });
    spec.env.push_back(std::move(variable));
  }
}

launch::Spec make_spec(const Context& context, const Arguments& arguments,
                       const container::Config& config, const container::State& state) {
  const sys::Root root = container::open_running(state);
  launch::Spec spec = container::exec_spec(config, root, arguments.get("user", config.user));
  spec.argv.assign(arguments.words().begin() + 1, arguments.words().end());
  spec.cwd = arguments.get("workdir", spec.cwd);
  spec.tty = arguments.is_on("tty");
  if (spec.tty) spec.env.push_back("TERM=xterm");
  set_environment(context, arguments, spec);
  if (arguments.is_on("privileged")) spec.privileged = true;
  return spec;
}

void set_streams(const Context& context, const Arguments& arguments, launch::Spec& spec) {
  const bool detach = arguments.is_on("detach");
  spec.stdin_fd = arguments.is_on("interactive") && !detach ? context.in_fd : -1;
  spec.stdout_fd = detach ? -1 : context.out_fd;
  spec.stderr_fd = detach ? -1 : context.err_fd;
  // What has a terminal can be left alone later; it notices our death by its terminal.
  spec.die_with_caller = !detach && !(spec.tty && arguments.is_on("interactive"));
  if (!spec.tty) return;
  if (const auto size = launch::terminal_size(context.out_fd)) {
    spec.tty_rows = size->rows;
    spec.tty_columns = size->columns;
  }
}

int run_exec(Context& context, const Arguments& arguments) {
  const int further_fds = preserved_fds(arguments);
  const std::string keys =
      parse_detach_keys(arguments.get("detach-keys", AttachOptions().detach_keys));
  launch::ForwardedSignals signals;
  OpenContainers open = open_containers(context);
  const std::string id = open.containers.get(arguments.word(0));
  const container::Record record = open.containers.read(id);
  const auto process = container::open_main_process(record.state);
  if (!process || !record.state.is_live())
    throw base::Error(base::Code::kUnavailable,
                      "container " + base::printable(arguments.word(0)) + " is not running",
                      "container-not-running");
  if (record.state.status == container::Status::kInitialized)
    throw base::Error(base::Code::kUnavailable,
                      "the container's program is not started yet; torte start does it",
                      "container-not-running");
  if (record.state.status == container::Status::kPaused)
    throw base::Error(base::Code::kUnavailable,
                      "the container is paused; torte unpause lets it go on", "container-paused");
  container::enter_user_namespace_of(record);
  launch::Spec spec = make_spec(context, arguments, record.config, record.state);
  set_streams(context, arguments, spec);
  for (int i = 0; i < further_fds; ++i) spec.further_fds.push_back(STDERR_FILENO + 1 + i);
  const bool input = arguments.is_on("interactive");
  const bool tty = spec.tty;
  // Another user could not open our streams anew.
  std::optional<launch::OpenPipes> pipes;
  if (spec.identity.uid != 0 && !tty && !arguments.is_on("detach")) pipes.emplace(spec);
  try {
    launch::Container program = launch::join(process->get(), std::move(spec));
    if (arguments.is_on("detach")) {
      std::move(program).leave();
      return 0;
    }
    if (pipes) return pipes->attend(program, signals).shell_status();
    std::optional<launch::RawTerminal> raw;
    if (tty && input) raw.emplace(context.in_fd);
    const auto status = launch::attend(
        program, signals, {input ? context.in_fd : -1, context.out_fd, tty && input ? keys : ""});
    if (status) return status->shell_status();
    launch::leave_with_terminal(std::move(program));
    return 0;
  } catch (const base::Error& e) {
    if (e.code() != base::Code::kFailed || e.exit_status() <= 0) throw;
    print_error(context, e);
    return e.exit_status();
  }
}

std::vector<Flag> exec_flags() {
  std::vector<Flag> flags = {
      {.name = "interactive", .letter = 'i', .help = "give it our standard input", .common = true},
      {.name = "tty", .letter = 't', .help = "give it a terminal of its own", .common = true},
      {.name = "detach-keys",
       .value = "KEYS",
       .help = "leave it in the background when these are typed, with -it (default: "
               "ctrl-p,ctrl-q)"},
      {.name = "detach", .letter = 'd', .help = "leave it alone, without streams", .common = true},
      {.name = "user",
       .letter = 'u',
       .value = "USER[:GROUP]",
       .help = "user it runs as (default: the container's)"},
      {.name = "workdir",
       .letter = 'w',
       .value = "PATH",
       .help = "directory it starts in (default: the container's)"},
      {.name = "privileged", .help = "with every capability and no system call refused"},
      preserve_fds_flag()};
  const std::vector<Flag> environment = environment_flags();
  flags.insert(flags.end(), environment.begin(), environment.end());
  return flags;
}

}  // namespace

const Command& exec_command() {
  static const Command kCommand{
      .name = "exec",
      .aliases = {"container exec"},
      .summary = "run another program in a running container",
      .usage = "[FLAGS] CONTAINER COMMAND [ARGUMENT..]",
      .about =
          "Joins all namespaces and the cgroup of the container. The exit status is the command's; "
          "125 is torte's own failure, 126 a command that cannot be executed, 127 one that is not "
          "found.",
      .group = "containers",
      .flags = exec_flags(),
      .examples = {{"torte exec -it web sh", "a shell beside the service"}},
      .positionals = {2, Positionals::kAny, 1},
      .run = run_exec,
      .failure_status = 125,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
