// torte start, stop, restart, kill, pause, unpause, wait, rename, rm, container prune: the life of
// containers that are there.
#include <csignal>
#include <thread>

#include "base/error.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/attach.h"
#include "cli/containers/container_list.h"
#include "cli/containers/new_container.h"
#include "cli/error_view.h"
#include "cli/images/image_mounts.h"
#include "runner/container/life.h"

namespace cli {

namespace {

using container::Containers;

int signal_of(const std::string& text) {
  const auto number = container::parse_signal(text);
  if (!number) throw UsageError("there is no signal " + base::printable(text));
  return *number;
}

std::optional<std::chrono::seconds> patience(const Arguments& arguments) {
  const auto duration = arguments.duration("time");
  if (!duration) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(*duration);
}

std::optional<int> chosen_signal(const Arguments& arguments) {
  const auto text = arguments.find("signal");
  return text ? std::optional<int>(signal_of(*text)) : std::nullopt;
}

/// A mount that somebody else took away, or the last start of the machine, does not count; `force`
/// takes away those that are left.
void settle_mounts(const Containers& containers, const std::string& id, bool force) {
  if (!std::filesystem::exists(containers.home(id).mounted())) return;
  ImageMounts mounts(containers.layout());
  const std::vector<ImageMount> all = mounts.all();
  for (const ImageMount& mount : all)
    if (force && mount.record.image == mounted_container(id)) mounts.unmount(mount, true);
}

/// Whether it is ready and its program waits (torte init).
bool waits(const Containers& containers, const std::string& id) {
  return containers.is_held(id) &&
         containers.read_state(id).status == container::Status::kInitialized;
}

/// Starts the program that waits, and stays with it.
int go_attached(Context& context, const Containers& containers, const container::Config& config,
                const Arguments& arguments, const launch::ForwardedSignals& signals) {
  auto control = container::Control::connect(containers.home(config.id).control());
  if (!control)
    throw base::Error(base::Code::kUnavailable, "the container is not running",
                      "container-not-running");
  control->ask('a');
  control->ask('g');
  AttachOptions options;
  options.input = arguments.is_on("interactive") && config.interactive;
  options.tty = config.tty;
  options.detach_keys = arguments.get("detach-keys", options.detach_keys);
  return attend_monitor(context, *control, signals, options).value_or(0);
}

int start_attached(Context& context, Containers& containers, const std::string& id,
                   const Arguments& arguments, const launch::ForwardedSignals& signals) {
  const container::Config config = containers.read(id).config;
  container::StartOptions start = container::start_options(config);
  start.attach = true;
  if (waits(containers, id)) return go_attached(context, containers, config, arguments, signals);
  container::Started started =
      container::start_monitor(monitor_command(context), containers.claim(id), start);
  AttachOptions options;
  options.input = arguments.is_on("interactive") && config.interactive && !start.own_streams;
  options.tty = config.tty;
  options.detach_keys = arguments.get("detach-keys", options.detach_keys);
  const auto status = attend_monitor(context, *started.owner, signals, options);
  started.monitor.release();
  return status.value_or(0);
}

void start_in_background(const Context& context, Containers& containers, const std::string& id) {
  const container::StartOptions start = container::start_options(containers.read(id).config);
  container::start_monitor(monitor_command(context), containers.claim(id), start).monitor.release();
}

int run_start(Context& context, const Arguments& arguments) {
  enter_user_namespace_for(context, shared_namespaces(context, arguments.words()));
  launch::ForwardedSignals signals;
  OpenContainers open = open_containers(context);
  Containers& containers = open.containers;
  if (arguments.is_on("attach") || arguments.is_on("interactive")) {
    if (arguments.words().size() != 1) throw UsageError("start --attach wants one container");
    const std::string id = containers.get(arguments.word(0));
    if (!waits(containers, id) && containers.read_state(id).is_live() && containers.is_held(id))
      throw base::Error(base::Code::kUnavailable, "it runs already; torte attach joins it",
                        "container-in-use");
    return start_attached(context, containers, id, arguments, signals);
  }
  return each_container(context, arguments, containers,
                        [&](const std::string& id, const std::string& word) {
                          if (waits(containers, id)) {
                            container::ask(containers, id, 'g');
                            return word;
                          }
                          // One that runs is what was asked for.
                          if (containers.read_state(id).is_live() && containers.is_held(id))
                            return word;
                          settle_mounts(containers, id, false);
                          start_in_background(context, containers, id);
                          return word;
                        });
}

int run_init(Context& context, const Arguments& arguments) {
  enter_user_namespace_for(context, shared_namespaces(context, arguments.words()));
  OpenContainers open = open_containers(context);
  return each_container(
      context, arguments, open.containers, [&](const std::string& id, const std::string& word) {
        if (waits(open.containers, id)) return word;
        settle_mounts(open.containers, id, false);
        const container::Config config = open.containers.read(id).config;
        container::StartOptions start = container::start_options(config);
        start.held = true;
        if (!config.runtime.empty())
          throw base::Error(base::Code::kUnsupported, "init together with --runtime is not built",
                            "runtime-unsupported");
        container::start_monitor(monitor_command(context), open.containers.claim(id), start)
            .monitor.release();
        return word;
      });
}

int run_stop(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  return each_container(
      context, arguments, open.containers,
      [&](const std::string& id, const std::string& word) {
        container::stop(open.containers, id, chosen_signal(arguments), patience(arguments));
        return word;
      },
      kManyAtOnce);
}

int run_restart(Context& context, const Arguments& arguments) {
  enter_user_namespace_for(context, shared_namespaces(context, arguments.words()));
  OpenContainers open = open_containers(context);
  return each_container(
      context, arguments, open.containers, [&](const std::string& id, const std::string& word) {
        container::stop(open.containers, id, chosen_signal(arguments), patience(arguments));
        start_in_background(context, open.containers, id);
        return word;
      });
}

int run_kill(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const int signal = signal_of(arguments.get("signal", "KILL"));
  return each_container(context, arguments, open.containers,
                        [&](const std::string& id, const std::string& word) {
                          container::send_signal(open.containers, id, signal);
                          return word;
                        });
}

int run_pause(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const char request = arguments.command().name == "pause" ? 'p' : 'u';
  return each_container(context, arguments, open.containers,
                        [&](const std::string& id, const std::string& word) {
                          container::ask(open.containers, id, request);
                          return word;
                        });
}

bool is_in_condition(const container::State& state, const std::string& condition) {
  if (condition == "initialized") return state.status == container::Status::kInitialized;
  if (condition == "running") return state.status == container::Status::kRunning;
  if (condition == "paused") return state.status == container::Status::kPaused;
  if (condition == "created") return state.status == container::Status::kCreated;
  return container::name_of(state.health) == condition;  // healthy, unhealthy
}

/// What comes to pass while it runs, or with its record: nobody tells, so it is looked at.
int wait_for_condition(Containers& containers, const std::string& id,
                       const std::string& condition) {
  constexpr std::chrono::milliseconds kPause{20};
  for (int status = 0;; std::this_thread::sleep_for(kPause)) {
    if (condition == "removed" && !containers.find(id)) return status;
    const container::State state = containers.read_state(id);
    status = state.exit_code;
    if (condition == "removed") continue;
    if (is_in_condition(state, condition)) return state.is_live() ? -1 : state.exit_code;
  }
}

int run_wait(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const std::string condition = arguments.get("condition", "exited");
  const bool ends = condition == "exited" || condition == "stopped" || condition == "not-running";
  return each_container(
      context, arguments, open.containers, [&](const std::string& id, const std::string&) {
        return std::to_string(ends ? container::wait(open.containers, id)
                                   : wait_for_condition(open.containers, id, condition));
      });
}

int run_rename(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  if (!container::is_valid_name(arguments.word(1)))
    throw UsageError("a name is made of letters, digits, _ . -, not " +
                     base::printable(arguments.word(1)));
  open.containers.rename(open.containers.get(arguments.word(0)), arguments.word(1));
  return 0;
}

void remove(Containers& containers, const std::string& id, bool force, bool volumes) {
  if (force && containers.is_held(id)) {
    container::stop(containers, id, SIGKILL, std::nullopt);
    container::wait(containers, id);
    if (!containers.find(id)) return;  // --rm did it
  }
  settle_mounts(containers, id, force);
  try {
    container::remove_container(containers, containers.claim(id), volumes);
  } catch (base::Error& e) {
    if (e.id() == "container-in-use") e.add_help("stop it first, or use --force");
    // Removed by its own monitor in between.
    if (e.code() == base::Code::kNotFound && force) return;
    throw;
  }
}

int run_rm(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const bool force = arguments.is_on("force");
  if (force) {
    // What is not there need not be removed.
    if (arguments.words().empty())
      return each_container(
          context, arguments, open.containers,
          [&](const std::string& id, const std::string& word) {
            remove(open.containers, id, true, arguments.is_on("volumes"));
            return word;
          },
          kManyAtOnce);
    return each_word(
        context, arguments.words(),
        [&](const std::string& word) -> std::string {
          const auto id = open.containers.find(word);
          if (!id) return "";
          remove(open.containers, *id, true, arguments.is_on("volumes"));
          return word;
        },
        kManyAtOnce);
  }
  return each_container(context, arguments, open.containers,
                        [&](const std::string& id, const std::string& word) {
                          remove(open.containers, id, false, arguments.is_on("volumes"));
                          return word;
                        });
}

/// What a container that ended left behind is cleaned up by whoever meets it; this is meeting it.
int run_cleanup(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  return each_container(
      context, arguments, open.containers, [&](const std::string& id, const std::string& word) {
        if (open.containers.is_held(id) && open.containers.read_state(id).is_live())
          throw base::Error(base::Code::kUnavailable, "it is running", "container-in-use");
        const container::Claim claim = open.containers.claim(id);
        settle_mounts(open.containers, id, true);
        if (arguments.is_on("rm")) container::remove_container(open.containers, claim, true);
        return word;
      });
}

int run_container_prune(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  uint64_t freed = 0;
  for (const container::Record& record :
       filter_containers(open.containers, open.containers.list(), arguments.all("filter"))) {
    if (record.state.is_live()) continue;
    const std::string& id = record.config.id;
    try {
      const container::Claim claim = open.containers.claim(id);
      freed += sys::disk_usage(open.containers.home(id).path());
      container::remove_container(open.containers, claim, false);
      context.out(id + "\n");
    } catch (const base::Error& e) {
      // Somebody started or removed it just now.
      if (e.code() != base::Code::kUnavailable && e.code() != base::Code::kNotFound) throw;
    }
  }
  context.out("freed " + base::format_size(freed) + "\n");
  return 0;
}

const Flag kAll = {.name = "all", .letter = 'a', .help = "every container", .common = true};
const Flag kFilter = {.name = "filter",
                      .value = "KEY=VALUE",
                      .help = "those of torte ps --filter",
                      .repeatable = true};
const Flag kTime = {.name = "time",
                    .letter = 't',
                    .value = "SECONDS",
                    .help = "kill it after so long (default: its own, or 10)",
                    .aliases = {"timeout"},
                    .common = true};
const Flag kSignal = {.name = "signal",
                      .letter = 's',
                      .value = "SIGNAL",
                      .help = "by name or number",
                      .common = true};

Command life_command(std::string_view name, std::vector<std::string_view> aliases,
                     std::string_view summary, std::vector<Flag> flags,
                     int (*run)(Context&, const Arguments&), bool in_user_namespace) {
  Command command{.name = name,
                  .aliases = std::move(aliases),
                  .summary = summary,
                  .usage = "[FLAGS] CONTAINER..",
                  .group = "containers",
                  .flags = std::move(flags),
                  .positionals = {0, Positionals::kAny},
                  .run = run,
                  .in_user_namespace = in_user_namespace};
  return command;
}

}  // namespace

const std::vector<const Command*>& container_life_commands() {
  static const Command kStart = life_command(
      "start", {"container start"}, "start containers that do not run",
      {{.name = "attach", .letter = 'a', .help = "stay with it, as torte run does", .common = true},
       {.name = "interactive", .letter = 'i', .help = "give it our standard input", .common = true},
       {.name = "detach-keys",
        .value = "KEYS",
        .help = "leave it in the background when these are typed"},
       kAll,
       kFilter},
      run_start, false);
  static const Command kInit = [] {
    Command command = life_command("init", {"container init"},
                                   "make containers ready without starting their programs",
                                   {kAll, kFilter}, run_init, false);
    command.about =
        "Mounts, network and namespaces are there, process 1 has its number, and the program waits "
        "for "
        "torte start. torte stop or rm -f takes it all away again.";
    return command;
  }();
  static const Command kStop =
      life_command("stop", {"container stop"}, "ask containers to end, and end them after a while",
                   {kTime, kSignal, kAll, kFilter}, run_stop, false);
  static const Command kRestart =
      life_command("restart", {"container restart"}, "stop and start containers",
                   {kTime, kSignal, kAll, kFilter}, run_restart, false);
  static const Command kKill =
      life_command("kill", {"container kill"}, "send a signal to containers",
                   {kSignal, kAll, kFilter}, run_kill, false);
  static const Command kPause =
      life_command("pause", {"container pause"}, "stop every process of containers for a while",
                   {kAll, kFilter}, run_pause, false);
  static const Command kUnpause =
      life_command("unpause", {"container unpause"}, "let paused containers go on", {kAll, kFilter},
                   run_pause, false);
  static const Command kWait =
      life_command("wait", {"container wait"}, "wait until containers end, and print their status",
                   {{.name = "condition",
                     .value = "STATE",
                     .help = "wait for this instead; -1 is printed for one that runs",
                     .choices = {"exited", "stopped", "not-running", "created", "initialized",
                                 "running", "paused", "healthy", "unhealthy", "removed"},
                     .common = true},
                    kAll,
                    kFilter},
                   run_wait, false);
  static const Command kRemove =
      life_command("rm", {"container rm", "container remove"}, "remove containers",
                   {{.name = "force",
                     .letter = 'f',
                     .help = "also those that run; they are killed",
                     .common = true},
                    {.name = "volumes",
                     .letter = 'v',
                     .help = "with the volumes that were made for them alone",
                     .common = true},
                    kAll,
                    kFilter},
                   run_rm, true);
  static const Command kRename{.name = "rename",
                               .aliases = {"container rename"},
                               .summary = "give a container another name",
                               .usage = "CONTAINER NAME",
                               .group = "containers",
                               .positionals = {2, 2},
                               .run = run_rename,
                               .in_user_namespace = false};
  static const Command kPrune{.name = "container prune",
                              .summary = "remove containers that do not run",
                              .usage = "[FLAGS]",
                              .group = "containers",
                              .flags = {kFilter,
                                        {.name = "force",
                                         .letter = 'f',
                                         .help = "do not ask (torte never does; for scripts)"}},
                              .run = run_container_prune};
  static const Command kCleanup = [] {
    Command command = life_command(
        "container cleanup", {}, "clean up after containers that ended",
        {{.name = "rm", .help = "remove them", .common = true}, kAll, kFilter}, run_cleanup, true);
    command.about =
        "Kills what is left of one whose monitor died, takes its control groups and mounts away, "
        "and notes "
        "how it ended. Every command does so with the containers it meets; for scripts that want "
        "it now.";
    return command;
  }();
  static const std::vector<const Command*> kCommands = {&kStart,  &kInit,   &kStop,    &kRestart,
                                                        &kKill,   &kPause,  &kUnpause, &kWait,
                                                        &kRename, &kRemove, &kCleanup, &kPrune};
  return kCommands;
}

}  // namespace cli
