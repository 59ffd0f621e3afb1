#include "builder/plan/planner.h"

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "builder/plan/stage_planner.h"
#include "store/oci/reference.h"

namespace plan {

using dockerfile::Instruction;

namespace {

constexpr std::string_view kImageContext = "docker-image://";
constexpr std::string_view kLayoutContext = "oci-layout://";
constexpr size_t kMaxWarnings = 10'000;

// Names of contexts and of images compare in docker's short form: alpine is also alpine:latest and
// docker.io/library/alpine. A "::linux/arm64" at the end stays.
std::string context_key(const std::string& name) {
  std::string lower = base::to_lower(name);
  size_t platform = lower.find("::");
  std::string rest = platform == std::string::npos ? "" : lower.substr(platform);
  lower.resize(std::min(platform, lower.size()));
  if (auto reference = oci::Reference::try_parse(lower)) lower = reference->familiar();
  constexpr std::string_view kLatest = ":latest";
  if (lower.ends_with(kLatest)) lower.resize(lower.size() - kLatest.size());
  return lower + rest;
}

}  // namespace

Planner::Planner(const dockerfile::Recipe& recipe, const Options& options, BaseImages& images)
    : recipe_(recipe),
      options_(options),
      images_(images),
      target_platform_(options.platform.value_or(oci::Platform::host())) {
  plan_.source_text = std::make_shared<const std::string>(recipe.source);
  for (const auto& [name, value] : options.contexts) contexts_[context_key(name)] = value;
  globals_.build_args = options.build_args;
}

void Planner::fail(const base::SourceRange& where, std::string id, std::string message,
                   std::vector<std::string> helps) {
  throw dockerfile::RecipeError(
      {{std::move(id), std::move(message), where, std::move(helps), false}});
}

void Planner::warn(const base::SourceRange& where, std::string id, std::string message) {
  if (plan_.warnings.size() > kMaxWarnings) return;
  if (plan_.warnings.size() == kMaxWarnings) {
    id = "TooManyWarnings";
    message = base::str("there are more than ", kMaxWarnings, " warnings; the rest is left out");
  }
  plan_.warnings.push_back({std::move(id), std::move(message), where, {}, true});
}

std::string Planner::expand(const std::string& word, const Variables& variables,
                            const base::SourceRange& where, bool is_body) {
  dockerfile::ExpandOptions options;
  options.quotes_are_text = is_body;
  if (!is_body) options.escape = recipe_.escape;
  options.undefined = [&](std::string_view name) {
    if (variables.is_declared(name) || plan_.warnings.size() > kMaxWarnings) return;
    std::string near = base::nearest(name, variables.names());
    warn(where, "UndefinedVar",
         base::str("variable $", name, " is not set",
                   near.empty() ? "" : " (did you mean $" + near + "?)"));
  };
  try {
    std::string text = dockerfile::expand(
        word, [&](std::string_view name) { return variables.find(name); }, options);
    count(text.size(), where);
    return text;
  } catch (const base::Error& e) {
    fail(where, e.id(), e.message(), e.helps());
  }
}

void Planner::count(size_t bytes, const base::SourceRange& where) {
  constexpr size_t kMaxPlanBytes = 128 << 20;
  bytes_ += bytes;
  if (bytes_ > kMaxPlanBytes)
    fail(
        where, "expansion-too-large",
        base::str("up to here the recipe expands to more than ", base::format_size(kMaxPlanBytes)));
}

void Planner::split_stages() {
  for (const Instruction& instruction : recipe_.instructions) {
    if (instruction.keyword == dockerfile::Keyword::kFrom) {
      auto command = dockerfile::interpret(instruction);
      texts_.push_back({std::get<dockerfile::From>(command), &instruction, {}});
    } else if (!texts_.empty()) {
      texts_.back().instructions.push_back(&instruction);
    }
  }
}

void Planner::read_global_arg(const Instruction& instruction) {
  auto command = dockerfile::interpret(instruction);
  for (const auto& arg : std::get<dockerfile::Arg>(command).args) {
    auto given = globals_.build_args.find(arg.name);
    globals_.used_build_args.insert(arg.name);
    if (given != globals_.build_args.end())
      globals_.arguments.set(arg.name, given->second);
    else if (arg.value)
      globals_.arguments.set(arg.name, expand(*arg.value, globals_.arguments, arg.where));
    else
      globals_.arguments.declare(arg.name);
    global_definitions_.push_back(arg);
  }
}

void Planner::note_argument(const dockerfile::ArgDefinition& definition,
                            std::optional<std::string> value) {
  std::string description = definition.description;
  for (const dockerfile::ArgDefinition& global : global_definitions_)
    if (description.empty() && global.name == definition.name) description = global.description;
  for (ArgumentUse& known : plan_.arguments) {
    if (known.name != definition.name) continue;
    if (known.description.empty()) known.description = description;
    return;
  }
  plan_.arguments.push_back(
      {definition.name, std::move(value), std::move(description), definition.where});
}

// Each stage as a choice for --target; those that cannot be expanded are shown as written.
void Planner::list_targets() {
  dockerfile::ExpandOptions options;
  options.escape = recipe_.escape;
  auto lookup = [&](std::string_view name) { return globals_.arguments.find(name); };
  for (size_t i = 0; i < texts_.size(); ++i) {
    const dockerfile::From& from = texts_[i].from;
    TargetChoice choice{from.name,
                        from.image,
                        from.platform.value_or(""),
                        from.description,
                        i + 1 == texts_.size(),
                        texts_[i].from_instruction->where};
    try {
      choice.base = dockerfile::expand(from.image, lookup, options);
      choice.platform = dockerfile::expand(choice.platform, lookup, options);
    } catch (const base::Error&) {
      // The stage reports it when it is planned.
    }
    plan_.targets.push_back(std::move(choice));
  }
}

size_t Planner::find_target() const {
  const std::string& target = options_.target;
  if (target.empty()) return texts_.size() - 1;
  std::vector<std::string> names;
  for (size_t i = texts_.size(); i-- > 0;) {
    if (texts_[i].from.name == base::to_lower(target)) return i;
    if (!texts_[i].from.name.empty()) names.push_back(texts_[i].from.name);
  }
  if (auto number = base::parse_decimal(target); number && *number < texts_.size()) return *number;
  base::Error error(base::Code::kNotFound,
                    "target stage \"" + base::printable(target) + "\" is not in the recipe",
                    "target-missing");
  std::string near = base::nearest(target, names);
  if (!near.empty()) error.add_help("did you mean " + near + "?");
  if (!names.empty()) error.add_fact("stages: " + base::join(names, ", "));
  throw error;
}

bool Planner::wants_git_directory() const {
  auto given = options_.build_args.find("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
  if (given == options_.build_args.end()) return false;
  std::string value = base::to_lower(given->second);
  return value == "1" || value == "true" || value == "t";
}

std::optional<size_t> Planner::find_stage_before(const std::string& name, size_t stage) const {
  for (size_t i = stage; i-- > 0;)
    if (!texts_[i].from.name.empty() && texts_[i].from.name == base::to_lower(name)) return i;
  return std::nullopt;
}

const StageScope& Planner::need(size_t stage) {
  if (scopes_[stage]) return *scopes_[stage];
  StageScope scope = StagePlanner(*this, stage).run();
  plan_.order.push_back(stage);
  scopes_[stage] = std::move(scope);
  return *scopes_[stage];
}

FileSource Planner::resolve_source(const std::string& name, size_t stage, bool numbers_are_stages,
                                   const base::SourceRange& where) {
  std::string lower = base::to_lower(name);
  if (const auto* context = find_context(name, target_platform_))
    return context_source(*context, target_platform_, where);
  std::optional<size_t> found = find_stage_before(name, stage);
  std::optional<uint64_t> number = base::parse_decimal(name);
  if (!found && numbers_are_stages && number) {
    if (*number >= stage)
      fail(where, "stage-unknown", base::str("there is no stage ", name, " above this line"),
           {stage == 0 ? "this is the first stage, number 0"
                       : base::str("stages above are numbered from 0 to ", stage - 1)});
    found = *number;
  }
  if (found) {
    need(*found);
    return FromStage{*found};
  }
  for (size_t i = stage; i < texts_.size(); ++i)
    if (texts_[i].from.name == lower)
      fail(where, i == stage ? "stage-cycle" : "stage-later",
           base::str("stage \"", lower,
                     i == stage ? "\" cannot copy from itself" : "\" stands below this line"),
           {"a stage can only use stages above it"});
  if (lower == "scratch") return FromNothing{};
  try {
    return FromImage{add_image(name, target_platform_, where)};
  } catch (base::Error& e) {
    explain_stages(name, stage, e);
    throw;
  }
}

// A name without a registry or a tag may have been meant to be that of a stage.
void Planner::explain_stages(const std::string& name, size_t stage, base::Error& error) const {
  if (name.find_first_of("/:@") != std::string::npos) return;
  std::vector<std::string> names;
  for (size_t i = 0; i < stage; ++i)
    if (!texts_[i].from.name.empty()) names.push_back(texts_[i].from.name);
  if (!names.empty())
    error.add_fact(base::str("no stage above is called ", base::printable(name),
                             ", so it was taken for an image; stages: ", base::join(names, ", ")));
  if (std::string near = base::nearest(name, names); !near.empty())
    error.add_help("did you mean " + near + "?");
  if (base::parse_decimal(name))
    error.add_help(
        "numbers name stages in COPY --from only; give the stage a name: FROM ... AS NAME");
}

const std::pair<const std::string, std::string>* Planner::find_context(
    const std::string& name, const oci::Platform& platform) const {
  std::string key = context_key(name);
  if (contexts_.empty() || key == "scratch" || key == "context" || key.empty()) return nullptr;
  auto found = contexts_.find(key + "::" + platform.str());
  if (found == contexts_.end()) found = contexts_.find(key);
  return found == contexts_.end() ? nullptr : &*found;
}

FileSource Planner::context_source(const std::pair<const std::string, std::string>& context,
                                   const oci::Platform& platform, const base::SourceRange& where) {
  const auto& [name, value] = context;
  if (value.starts_with(kImageContext))
    return FromImage{add_image(value.substr(kImageContext.size()), platform, where)};
  if (value.starts_with(kLayoutContext)) return FromImage{get_image(value, platform, where)};
  if (value.starts_with("target:"))
    fail(where, "not-built",
         "context \"" + base::printable(name) + "\": the result of another build (" +
             base::printable(value) + ") cannot be a context yet");
  plan_.contexts[name] = value;
  return FromNamed{name};
}

FromNamed Planner::add_remote(Remote remote) {
  for (const Remote& known : plan_.remotes)
    if (known.kind == remote.kind && known.address == remote.address &&
        known.checksum == remote.checksum && known.keep_git_dir == remote.keep_git_dir)
      return FromNamed{known.name};
  // No context can be called so: a name has no blanks.
  remote.name = base::str("remote ", plan_.remotes.size());
  plan_.remotes.push_back(std::move(remote));
  return FromNamed{plan_.remotes.back().name};
}

size_t Planner::add_image(const std::string& reference, const oci::Platform& platform,
                          const base::SourceRange& where) {
  std::string normalised;
  try {
    normalised = oci::Reference::parse(reference).with_default_tag().str();
  } catch (const base::Error& e) {
    fail(where, e.id(), e.message());
  }
  return get_image(normalised, platform, where);
}

size_t Planner::get_image(const std::string& reference, const oci::Platform& platform,
                          const base::SourceRange& where) {
  for (size_t i = 0; i < asked_.size(); ++i)
    if (asked_[i].first == reference && asked_[i].second == platform) return i;
  try {
    plan_.images.push_back(images_.get(reference, platform));
    asked_.emplace_back(reference, platform);
  } catch (base::Error& e) {
    if (!e.place()) e.set_place({where, plan_.source_text, "", ""});
    throw;
  }
  return plan_.images.size() - 1;
}

void Planner::number_steps() {
  int next = 0;
  for (size_t index : plan_.order) {
    Stage& stage = plan_.stages[index];
    stage.from_step = next++;
    stage.shown_count = static_cast<int>(stage.steps.size()) + 1;
    std::vector<int> numbers;
    for (Step& step : stage.steps) {
      numbers.push_back(next);
      step.index = static_cast<int>(numbers.size()) + 1;
      step.number = next++;
    }
    for (History& line : stage.history)
      if (line.step >= 0 && line.step < static_cast<int>(numbers.size()))
        line.step = numbers[static_cast<size_t>(line.step)];
  }
  plan_.steps = next;
}

void Planner::check_build_args() {
  if (auto given = globals_.build_args.find("BUILDKIT_MULTI_PLATFORM");
      given != globals_.build_args.end() && !given->second.empty() && given->second != "0" &&
      given->second != "false")
    warn({recipe_.file, 0, 0, 0, 0}, "UnusedBuildArg",
         "BUILDKIT_MULTI_PLATFORM is not built yet and changes nothing");
  for (const auto& [name, value] : globals_.build_args) {
    if (globals_.used_build_args.contains(name) || is_proxy(name) ||
        globals_.arguments.find(name) || name.starts_with("BUILDKIT_") ||
        name == "SOURCE_DATE_EPOCH")
      continue;
    warn({recipe_.file, 0, 0, 0, 0}, "UnusedBuildArg",
         "build argument " + base::printable(name) +
             " is not declared by any ARG of the stages built");
  }
}

// The language of docker/dockerfile is built in; that of other frontends is not known here. [L5]
void Planner::check_syntax() {
  std::string name = recipe_.syntax;
  auto given = options_.build_args.find("BUILDKIT_SYNTAX");
  if (given != options_.build_args.end()) name = given->second;
  name = name.substr(0, name.find_first_of(" \t"));
  if (name.empty() || name == "torte/1") return;
  const auto reference = oci::Reference::try_parse(name);
  const std::string path = reference ? reference->path() : "";
  if (reference && reference->domain() == "docker.io" &&
      (path == "docker/dockerfile" || path == "docker/dockerfile-upstream"))
    return;
  const dockerfile::Span& span = recipe_.syntax_span;
  const base::SourceRange where{recipe_.file, span.line, span.line, span.column, span.width};
  const std::string text = "the language " + base::printable(name, 200) +
                           " is not known; the recipe is read as docker/dockerfile";
  if (options_.strict_syntax) fail(where, "unknown-syntax", text);
  warn(where, "UnknownSyntax", text);
}

// A cache belongs to its id alone: whoever fills it first gives it owner, mode and content.
void Planner::check_cache_mounts() {
  std::map<std::string, std::pair<const Mount*, int>> first;
  for (size_t index : plan_.order)
    for (const Step& step : plan_.stages[index].steps) {
      const auto* run = std::get_if<RunStep>(&step.action);
      if (run == nullptr) continue;
      for (const Mount& mount : run->mounts) {
        if (mount.type != Mount::Type::kCache || !std::holds_alternative<FromNothing>(mount.from))
          continue;
        auto [known, is_new] = first.try_emplace(mount.id, &mount, step.where.first_line);
        const Mount& other = *known->second.first;
        if (is_new || (mount.uid == other.uid && mount.gid == other.gid &&
                       mount.mode.value_or(0755) == other.mode.value_or(0755)))
          continue;
        warn(step.where, "CacheMountOwnerMismatch",
             base::str("the cache mount ", base::printable(mount.id, 200),
                       " has another owner or mode in line ", known->second.second,
                       "; only the step that fills it first has a say"));
      }
    }
}

// What the command line says of the image, whatever the recipe says.
void Planner::edit_result(oci::ContainerConfig& config) const {
  for (const std::string& name : options_.unset_labels) config.labels.erase(name);
  for (const auto& [name, value] : options_.labels) config.labels[name] = value;
  Variables before = from_environment(config.env);
  Variables env;
  for (const auto& [name, value] : before.all())
    if (std::find(options_.unset_env.begin(), options_.unset_env.end(), name) ==
        options_.unset_env.end())
      env.set(name, value);
  for (const auto& [name, value] : options_.env) env.set(name, value);
  config.env = env.as_environment();
}

Plan Planner::run() {
  split_stages();
  if (texts_.empty()) fail({recipe_.file, 1, 1, 0, 0}, "no-from", "the recipe has no FROM");
  check_syntax();
  plan_.target = find_target();
  const std::string& target_name = texts_[plan_.target].from.name;
  globals_.add_automatic(target_platform_, oci::Platform::host(),
                         target_name.empty() ? "default" : target_name);
  for (const Instruction& instruction : recipe_.instructions) {
    if (instruction.keyword == dockerfile::Keyword::kFrom) break;
    if (instruction.keyword == dockerfile::Keyword::kArg) read_global_arg(instruction);
  }
  plan_.source_date_epoch = globals_.arguments.find("SOURCE_DATE_EPOCH").value_or("");
  plan_.stages.resize(texts_.size());
  scopes_.resize(texts_.size());
  for (size_t i = 0; i < texts_.size(); ++i) {
    plan_.stages[i].index = i;
    plan_.stages[i].name = texts_[i].from.name;
  }
  list_targets();
  need(plan_.target);
  for (size_t i = 0; options_.all_stages && i < texts_.size(); ++i) need(i);
  edit_result(plan_.stages[plan_.target].config.config);
  number_steps();
  check_build_args();
  check_cache_mounts();
  return std::move(plan_);
}

}  // namespace plan
