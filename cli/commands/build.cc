// torte build: a recipe becomes an image.
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/sys/file.h"
#include "base/text.h"
#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/validate.h"
#include "builder/plan/plan.h"
#include "builder/solve/solver.h"
#include "cli/base_images.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/interrupt.h"
#include "cli/recipe_file.h"
#include "store/oci/reference.h"
#include "store/store.h"

namespace cli {

namespace {

namespace event = base::event;

std::pair<std::string, std::string> split_pair(const std::string& text, const char* flag) {
  size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw UsageError(base::str("--", flag, " needs NAME=VALUE, not ", base::printable(text)));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::map<std::string, std::string> build_args(const Context& context, const Arguments& arguments) {
  std::map<std::string, std::string> values;
  for (const std::string& text : arguments.all("build-arg")) {
    size_t equals = text.find('=');
    if (equals == 0) throw UsageError("--build-arg needs NAME[=VALUE]");
    if (equals != std::string::npos)
      values[text.substr(0, equals)] = text.substr(equals + 1);
    else if (const char* value = context.getenv(text.c_str()))
      values[text] = value;
  }
  return values;
}

// "id=I[,src=FILE|env=VAR][,type=file|env]"; the variable or file of the same name by default.
void add_secret(const Context& context, const std::string& text, solve::Secrets& secrets) {
  constexpr uint64_t kMostBytes = 500 << 10;
  std::map<std::string, std::string> fields;
  for (const std::string& field : base::split(text, ',')) fields.insert(split_pair(field, "secret"));
  std::string id = fields["id"];
  std::string file = fields["src"].empty() ? fields["source"] : fields["src"];
  std::string variable = fields["env"];
  for (const auto& [key, value] : fields)
    if (key != "id" && key != "src" && key != "source" && key != "env" && key != "type")
      throw UsageError("--secret: unknown key " + base::printable(key));
  if (id.empty()) throw UsageError("--secret needs id=NAME");
  if (fields["type"] == "env" && variable.empty()) variable = file.empty() ? id : file;
  if (variable.empty() && file.empty() && fields["type"] != "file" && context.getenv(id.c_str()))
    variable = id;
  if (!variable.empty()) {
    const char* value = context.getenv(variable.c_str());
    if (value == nullptr)
      throw base::Error(base::Code::kNotFound, "--secret id=" + id + ": variable " + variable +
                                                   " is not set", "secret-missing");
    secrets[id] = value;
    return;
  }
  secrets[id] = sys::read_user_file(file.empty() ? id : file, kMostBytes);
}

plan::Options plan_options(const Context& context, const Arguments& arguments) {
  plan::Options options;
  options.build_args = build_args(context, arguments);
  options.target = arguments.get("target");
  for (const std::string& label : arguments.all("label")) {
    size_t equals = label.find('=');
    options.labels[label.substr(0, equals)] =
        equals == std::string::npos ? "" : label.substr(equals + 1);
  }
  if (auto platform = arguments.find("platform")) options.platform = oci::Platform::parse(*platform);
  options.network = arguments.get("network", "default");
  for (const std::string& entitlement : arguments.all("allow")) {
    if (entitlement == "network.host") options.allow_host_network = true;
    else if (entitlement == "security.insecure") options.allow_insecure = true;
    else throw UsageError("--allow: unknown entitlement " + base::printable(entitlement));
  }
  options.allow_host_network |= options.network == "host";
  for (const std::string& text : arguments.all("build-context"))
    options.contexts.insert(split_pair(text, "build-context"));
  return options;
}

solve::Options solve_options(const Context& context, const Arguments& arguments,
                             const RecipeFile& recipe, std::stop_token stop) {
  solve::Options options;
  options.context = recipe.context;
  options.context_name = recipe.context.empty() ? "the empty build context"
                                                : "context " + recipe.context.string();
  options.ignore_file = recipe.ignore_text;
  options.ignore_file_name = recipe.ignore_name;
  for (const std::string& text : arguments.all("build-context")) {
    auto [name, value] = split_pair(text, "build-context");
    if (value.find("://") == std::string::npos) options.named_contexts[base::to_lower(name)] = value;
  }
  // 0 is the reference's word for "no limit of my own".
  options.jobs = static_cast<int>(std::min<uint64_t>(arguments.number("jobs").value_or(0), 10'000));
  options.no_cache = arguments.is_on("no-cache");
  for (const std::string& list : arguments.all("no-cache-filter"))
    for (const std::string& stage : base::split(list, ','))
      options.no_cache_stages.insert(base::to_lower(stage));
  options.explain = arguments.is_on("explain");
  for (const std::string& tag : arguments.all("tag"))
    options.names.push_back(oci::Reference::parse(tag).with_default_tag().str());
  options.slot = recipe.identity;
  options.hostname = arguments.get("hostname", "build");
  for (const std::string& host : arguments.all("add-host")) {
    size_t colon = host.find_first_of(":=");
    if (colon == 0 || colon == std::string::npos)
      throw UsageError("--add-host needs NAME:ADDRESS, not " + base::printable(host));
    options.extra_hosts.emplace_back(host.substr(0, colon), host.substr(colon + 1));
  }
  if (auto bytes = arguments.size_bytes("shm-size")) options.shm_bytes = *bytes;
  for (const std::string& text : arguments.all("secret"))
    add_secret(context, text, options.secrets);
  options.stop = std::move(stop);
  return options;
}

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

int run_build(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  std::unique_ptr<base::EventSink> events = context.make_progress(arguments.get("progress"));
  RecipeFile file = find_recipe(arguments.find("file"), arguments.word(0).empty() ? "." : arguments.word(0),
                                context.in_fd);
  plan::Options planning = plan_options(context, arguments);
  solve::Options solving = solve_options(context, arguments, file, interrupt.token());
  PullPolicy pull = parse_pull_policy(arguments.get("pull", "missing"));

  dockerfile::Recipe recipe = dockerfile::parse_and_validate(file.text, file.name);
  dockerfile::CheckConfig checks = dockerfile::check_config(recipe, planning.build_args["BUILDKIT_DOCKERFILE_CHECK"]);
  std::vector<dockerfile::Diagnostic> warnings = dockerfile::run_checks(recipe, checks);

  std::unique_ptr<store::Store> store = store::Store::open(context.root, store::Access::kReadWrite);
  TransferOptions fetching;
  fetching.stop = interrupt.token();
  fetching.events = events.get();
  Registries registries(context, arguments, interrupt.token(), events.get());
  StoreImages images(*store, registries, pull, fetching);
  plan::Plan plan = plan::make_plan(recipe, planning, images);
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
               "files from (default: the current one).",
      .group = "build and run",
      .flags = with_registry_flags(
          {{.name = "file", .letter = 'f', .value = "PATH", .help = "the recipe; - reads standard input (default: Recipe, Dockerfile, Containerfile, dockerfile)", .common = true},
           {.name = "tag", .letter = 't', .value = "NAME", .help = "name of the result", .repeatable = true, .common = true},
           {.name = "target", .value = "STAGE", .help = "stage to build (default: the last)", .common = true},
           {.name = "build-arg", .value = "NAME[=VALUE]", .help = "value of an ARG; without =VALUE from the environment", .repeatable = true, .common = true},
           {.name = "build-context", .value = "NAME=DIR", .help = "another directory or image for FROM, COPY --from and mounts", .repeatable = true},
           {.name = "label", .value = "KEY=VALUE", .help = "label of the result", .repeatable = true},
           {.name = "platform", .value = "OS/ARCH", .help = "platform of the result (default: this machine's)"},
           {.name = "network", .value = "MODE", .help = "network of RUN steps that do not say: none or host (default: none)", .choices = {"default", "none", "host"}},
           {.name = "allow", .value = "WHAT", .help = "network.host or security.insecure for steps that ask for it", .repeatable = true},
           {.name = "add-host", .value = "NAME:ADDRESS", .help = "a line of /etc/hosts in RUN steps", .repeatable = true},
           {.name = "hostname", .value = "NAME", .help = "host name in RUN steps (default: build)"},
           {.name = "shm-size", .value = "SIZE", .help = "size of /dev/shm in RUN steps (default: 64m)"},
           {.name = "secret", .value = "id=ID[,src=FILE|env=VAR]", .help = "bytes for RUN --mount=type=secret", .repeatable = true},
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
