// torte logs, attach: what a container says, from the record and live.
#include <ctime>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/attach.h"
#include "cli/containers/container_list.h"
#include "cli/when.h"
#include "runner/container/life.h"
#include "runner/container/log.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

int run_logs(Context& context, const Arguments& arguments) {
  OpenContainers open = open_containers(context);
  const std::string id = open.containers.get(arguments.word(0));
  const container::Config config = open.containers.read(id).config;
  const std::filesystem::path path = open.containers.home(id).log();
  if (!std::filesystem::exists(path)) {
    if (open.containers.read_state(id).status == container::Status::kCreated) return 0;
    throw base::Error(base::Code::kUnsupported, "the container keeps no log", "no-log")
        .add_fact(config.log.driver == "none" ? "it was started with --log-driver none"
                  : config.log.driver == "journald"
                      ? "it goes to the journal: journalctl CONTAINER_NAME=" + config.name
                      : "its streams are those of the command that started it (run --rm, "
                        "--log-driver passthrough)");
  }
  container::LogOptions options;
  options.follow = arguments.is_on("follow");
  if (const std::string tail = arguments.get("tail", "all"); tail != "all")
    options.tail = arguments.number("tail");
  if (auto text = arguments.find("since")) options.since = parse_when("since", *text);
  if (auto text = arguments.find("until")) options.until = parse_when("until", *text);
  const bool times = arguments.is_on("timestamps");
  auto alive = [&] {
    return open.containers.is_held(id) && open.containers.read_state(id).is_live();
  };
  container::read_log(path, options, alive, [&](const container::LogLine& line) {
    std::string text = times ? oci::format_timestamp(line.time) + " " : "";
    text += line.text;
    if (times && !text.ends_with('\n')) text += '\n';
    line.is_error ? context.err(text) : context.out(text);
  });
  return 0;
}

int run_attach(Context& context, const Arguments& arguments) {
  launch::ForwardedSignals signals;
  OpenContainers open = open_containers(context);
  const std::string id = open.containers.get(arguments.word(0));
  const container::Config config = open.containers.read(id).config;
  auto control = container::Control::connect(open.containers.home(id).control());
  if (!control)
    throw base::Error(base::Code::kUnavailable,
                      "container " + base::printable(arguments.word(0)) + " is not running",
                      "container-not-running");
  control->ask('a');
  AttachOptions options;
  options.input = config.interactive && !arguments.is_on("no-stdin");
  options.tty = config.tty;
  options.pass_signals = arguments.is_on("sig-proxy", true);
  options.detach_keys = arguments.get("detach-keys", options.detach_keys);
  return attend_monitor(context, *control, signals, options).value_or(0);
}

}  // namespace

const std::vector<const Command*>& container_output_commands() {
  static const Command kLogs{
      .name = "logs",
      .aliases = {"container logs"},
      .summary = "show what a container said",
      .usage = "[FLAGS] CONTAINER",
      .group = "containers",
      .flags = {{.name = "follow",
                 .letter = 'f',
                 .help = "stay, and show what comes until it ends",
                 .common = true},
                {.name = "tail",
                 .letter = 'n',
                 .value = "N",
                 .help = "only the last N lines; all is every one",
                 .common = true},
                {.name = "timestamps",
                 .letter = 't',
                 .help = "show when each line came",
                 .common = true},
                {.name = "since",
                 .value = "TIME",
                 .help = "only what is newer: a time, or a duration such as 10m"},
                {.name = "until", .value = "TIME", .help = "only what is older"}},
      .examples = {{"torte logs -f --tail 20 web", "the end, and what follows"}},
      .positionals = {1, 1},
      .run = run_logs,
      .in_user_namespace = false,
  };
  static const Command kAttach{
      .name = "attach",
      .aliases = {"container attach"},
      .summary = "join the streams of a running container",
      .usage = "[FLAGS] CONTAINER",
      .about =
          "Shows what it says from now on, and gives it our input where it was made with -i. With "
          "a "
          "terminal ctrl-p ctrl-q leaves it running.",
      .group = "containers",
      .flags = {{.name = "no-stdin", .help = "only watch"},
                {.name = "sig-proxy",
                 .help = "signals that torte gets are the command's (default: yes)",
                 .negatable = true},
                {.name = "detach-keys",
                 .value = "KEYS",
                 .help = "leave when these are typed (default: ctrl-p,ctrl-q)"}},
      .positionals = {1, 1},
      .run = run_attach,
      .in_user_namespace = false,
  };
  static const std::vector<const Command*> kCommands = {&kLogs, &kAttach};
  return kCommands;
}

}  // namespace cli
