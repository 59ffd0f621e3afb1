// torte build: a recipe becomes an image.
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/sys/file.h"
#include "base/text.h"
#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/mount.h"
#include "builder/dockerfile/validate.h"
#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "cli/base_images.h"
#include "cli/build_options.h"
#include "cli/build_sources.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/interrupt.h"
#include "cli/recipe_file.h"
#include "store/oci/reference.h"
#include "store/store.h"

namespace cli {

namespace {

namespace event = base::event;

void announce(const plan::Plan& plan, const std::string& recipe_name, const std::string& tag,
              base::EventSink& events) {
  const plan::Stage& target = plan.stages[plan.target];
  events.emit(event::BuildStart{tag, target.platform.str(), recipe_name, plan.steps});
  for (size_t index : plan.order) {
    const plan::Stage& stage = plan.stages[index];
    events.emit(event::StepPlanned{stage.from_step, stage.label(), 1, stage.shown_count,
                                   stage.from_text, stage.where});
    for (const plan::Step& step : stage.steps)
      events.emit(event::StepPlanned{step.number, stage.label(), step.index, stage.shown_count,
                                     step.text, step.where});
  }
}

std::string metadata(const solve::Result& result, const solve::Options& options) {
  nlohmann::ordered_json json;
  json["containerimage.config.digest"] = result.image.str();
  json["image.name"] = base::join(options.names, ",");
  json["torte.build"] = {{"steps", result.steps},
                         {"cached", result.cached},
                         {"sizeBytes", result.size_bytes},
                         {"newBytes", result.new_bytes}};
  return json.dump(2) + "\n";
}

void emit_warnings(const std::vector<dockerfile::Diagnostic>& warnings, base::EventSink& events) {
  for (const dockerfile::Diagnostic& warning : warnings)
    events.emit(event::Warning{warning.id, warning.message, warning.where, true});
}

/// Passes events on and counts steps, so that the summary of a build that failed is right too.
class StepCounter : public base::EventSink {
 public:
  explicit StepCounter(base::EventSink& next) : next_(next) {}
  void emit(const base::Event& event) override {
    if (const auto* end = std::get_if<event::StepEnd>(&event)) {
      ++steps_;
      if (end->result == event::StepResult::kCached) ++cached_;
    }
    next_.emit(event);
  }
  int steps() const { return steps_; }
  int cached() const { return cached_; }

 private:
  base::EventSink& next_;
  std::atomic<int> steps_{0};
  std::atomic<int> cached_{0};
};

bool keeps_git_directory(const plan::Options& planning) {
  auto given = planning.build_args.find("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
  return given != planning.build_args.end() && dockerfile::parse_bool(given->second).value_or(false);
}

int run_build(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  std::unique_ptr<base::EventSink> events = context.make_progress(arguments.get("progress"));
  plan::Options planning = plan_options(context, arguments);
  if (auto platform = arguments.find("platform")) planning.platform = oci::Platform::parse(*platform);
  solve::Secrets secrets = read_secrets(context, arguments);
  std::unique_ptr<store::Store> store = store::Store::open(context.root, store::Access::kReadWrite);
  store::Lease lease = store->lease();
  SshAgents agents(context, arguments, *store);
  Fetcher fetcher(*store, {.secrets = secrets, .ssh_agent = agents.for_git(), .pinned = {},
                           .locked = false, .events = events.get(), .stop = interrupt.token()});
  RecipeFile file = find_recipe({.file = arguments.find("file"),
                                 .context = arguments.word(0).empty() ? "." : arguments.word(0),
                                 .ignore_file = arguments.find("ignorefile"),
                                 .keep_git_dir = keeps_git_directory(planning),
                                 .in_fd = context.in_fd},
                                fetcher);
  if (!file.other_name.empty())
    events->emit(event::Note{base::str("using ", file.name, "; ", file.other_name, " is there too")});
  solve::Options solving = solve_options(context, arguments, file, interrupt.token());
  PullPolicy pull = parse_pull_policy(arguments.get("pull", "missing"));

  dockerfile::Recipe recipe = dockerfile::parse_and_validate(file.text, file.name);
  dockerfile::CheckConfig checks = dockerfile::check_config(recipe, planning.build_args["BUILDKIT_DOCKERFILE_CHECK"]);
  std::vector<dockerfile::Diagnostic> warnings = dockerfile::run_checks(recipe, checks);

  solving.secrets = std::move(secrets);
  solving.ssh_agents = agents.sockets();
  TransferOptions fetching;
  fetching.stop = interrupt.token();
  fetching.events = events.get();
  Registries registries(context, arguments, interrupt.token(), events.get());
  StoreImages stored(*store, registries, pull, fetching);
  LayoutImages images(*store, stored);
  plan::Plan plan = plan::make_plan(recipe, planning, images);
  solving.named_contexts = provide_trees(plan, fetcher);
  for (dockerfile::Diagnostic& warning : plan.warnings)
    if (checks.wants(warning.id)) warnings.push_back(std::move(warning));
  announce(plan, file.name, solving.names.empty() ? "" : arguments.all("tag").front(), *events);
  emit_warnings(warnings, *events);

  StepCounter counter(*events);
  event::BuildEnd end;
  end.warnings = static_cast<int>(warnings.size());
  try {
    if (checks.error && !warnings.empty())
      throw base::Error(base::Code::kInvalid, "the recipe has warnings and asks for error=true",
                        "check-failed");
    solve::Result result = solve::solve(plan, solving, *store, counter);
    end.succeeded = true;
    end.image_id = result.image.str();
    end.tag = solving.names.empty() ? "" : arguments.all("tag").front();
    end.size_bytes = result.size_bytes;
    end.new_bytes = result.new_bytes;
    end.steps = counter.steps();
    end.cached = counter.cached();
    if (auto path = arguments.find("iidfile"))
      sys::write_file_durably(*path, result.image.str(), 0644);
    if (auto path = arguments.find("metadata-file"))
      sys::write_file_durably(*path, metadata(result, solving), 0644);
  } catch (base::Error& e) {
    if (e.code() == base::Code::kCancelled && interrupt.signal() != 0)
      e.set_exit_status(128 + interrupt.signal());
    end.steps = counter.steps();
    end.cached = counter.cached();
    events->emit(end);
    throw;
  }
  events->emit(end);
  if (context.quiet) context.out(end.image_id + "\n");
  return 0;
}

}  // namespace

const Command& build_command() {
  static const Command kCommand{
      .name = "build",
      .aliases = {"bud", "b", "image build"},
      .summary = "build an image from a recipe",
      .usage = "[FLAGS] [CONTEXT]",
      .about = "Reads a recipe (a Dockerfile by any name), runs its steps on top of what is remembered "
               "of earlier builds, and names the result. CONTEXT is the directory that COPY takes "
               "files from (default: the current one), an http(s) address of a recipe or of an archive, a "
               "git address (https://host/project.git#ref:directory), or - for a recipe or an archive on "
               "standard input.",
      .group = "build and run",
      .flags = with_registry_flags(
           {{.name = "file", .letter = 'f', .value = "PATH|URL|-", .help = "the recipe; - reads standard input (default: Recipe, Dockerfile, Containerfile, dockerfile)", .common = true},
           {.name = "tag", .letter = 't', .value = "NAME", .help = "name of the result", .repeatable = true, .common = true},
           {.name = "target", .value = "STAGE", .help = "stage to build (default: the last)", .common = true},
           {.name = "build-arg", .value = "NAME[=VALUE]", .help = "value of an ARG; without =VALUE from the environment", .repeatable = true, .common = true},
           {.name = "build-arg-file", .value = "FILE", .help = "values of ARGs, one NAME=VALUE a line; --build-arg wins", .repeatable = true},
           {.name = "build-context", .value = "NAME=VALUE", .help = "another context for FROM, COPY --from and mounts: a directory, docker-image://NAME, oci-layout://DIR, a git or http address", .repeatable = true},
           {.name = "ignorefile", .value = "FILE", .help = "use this ignore file and no other"},
           {.name = "label", .value = "KEY=VALUE", .help = "label of the result", .repeatable = true},
           {.name = "platform", .value = "OS/ARCH", .help = "platform of the result (default: this machine's)"},
           {.name = "network", .value = "MODE", .help = "network of RUN steps that do not say: default (a private one), none or host", .aliases = {"net"}, .choices = {"default", "none", "host"}},
           {.name = "allow", .value = "WHAT", .help = "network.host or security.insecure for steps that ask for it", .repeatable = true},
           {.name = "add-host", .value = "NAME:ADDRESS", .help = "a line of /etc/hosts in RUN steps", .repeatable = true},
           {.name = "hostname", .value = "NAME", .help = "host name in RUN steps (default: build)"},
           {.name = "shm-size", .value = "SIZE", .help = "size of /dev/shm in RUN steps (default: 64m)"},
           {.name = "secret", .value = "id=ID[,src=FILE|env=VAR]", .help = "bytes for RUN --mount=type=secret", .repeatable = true},
           {.name = "ssh", .value = "default|ID[=SOCKET|KEY,..]", .help = "SSH agent or keys for RUN --mount=type=ssh and git", .repeatable = true},
           {.name = "pull", .value = "WHEN", .help = "fetch base images: always, missing, newer or never", .implied = "always", .choices = {"always", "missing", "newer", "never", "true", "false"}},
           {.name = "jobs", .letter = 'j', .value = "N", .help = "steps that may run at once (default: 4 a core, at least 8)"},
           {.name = "no-cache", .help = "run every step again", .group = "cache", .common = true},
           {.name = "no-cache-filter", .value = "STAGE,..", .help = "run the steps of these stages again", .group = "cache", .repeatable = true},
           {.name = "explain", .help = "say for each step that ran which input changed", .group = "cache", .common = true},
           {.name = "iidfile", .value = "FILE", .help = "write the image id to FILE", .group = "output"},
           {.name = "metadata-file", .value = "FILE", .help = "write facts about the result to FILE (JSON)", .group = "output"},
           {.name = "progress", .value = "MODE", .help = "how progress is shown: auto, tty, plain, json or quiet", .group = "output", .common = true}}),
      .examples = {{"torte build -t app .", "build ./Recipe and name it app:latest"},
                   {"torte build -f web.Dockerfile --build-arg V=2 --explain .", "say why steps ran again"},
                   {"torte build --target test --no-cache .", "run one stage and what it needs"}},
      .positionals = {0, 1},
      .run = run_build,
  };
  return kCommand;
}

}  // namespace cli
