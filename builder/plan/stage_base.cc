#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/commands.h"
#include "builder/plan/stage_planner.h"

/// What a stage starts from: its FROM.
namespace plan {

namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The wrong values of a stage; false when it has none.
bool add_problems(const StageText& stage, std::vector<dockerfile::Diagnostic>& problems) {
  const size_t before = problems.size();
  for (const dockerfile::Instruction* instruction : stage.instructions) {
    try {
      dockerfile::interpret(*instruction);
    } catch (const dockerfile::RecipeError& e) {
      problems.insert(problems.end(), e.diagnostics().begin(), e.diagnostics().end());
    }
  }
  return problems.size() > before;
}

}  // namespace

void StagePlanner::choose_base() {
  const dockerfile::From& from = planner_.text(index_).from;
  const Variables& globals = planner_.globals().arguments;
  stage_.platform = planner_.target_platform();
  if (from.platform) {
    std::string text = planner_.expand(*from.platform, globals, current_->where);
    const base::SourceRange& where = from.platform_where;
    if (text.empty())
      Planner::fail(where, "platform-empty",
                    "--platform is empty: " + base::printable(*from.platform, 80));
    try {
      stage_.platform = oci::Platform::parse(text);
    } catch (const base::Error& e) {
      Planner::fail(where, e.id(), e.message(), e.helps());
    }
  }
  std::string image = planner_.expand(from.image, globals, current_->arg_range(0));
  note_globals(from);
  if (image.empty())
    Planner::fail(current_->arg_range(0), "from-empty",
                  "the image of FROM is empty after expansion: " + base::printable(from.image));
  stage_.from_text = "FROM " + base::printable(image);
  std::optional<size_t> earlier = planner_.find_stage_before(image, index_);
  const auto* context = planner_.find_context(image, stage_.platform);
  if (const auto* instead = planner_.find_context(from.name, stage_.platform)) {
    // A context with the name of a stage stands for all of it, instructions included (S2).
    context = instead;
    replaced_ = true;
  }
  if (!replaced_) check_values();
  if (context != nullptr) {
    start_from_context(planner_.context_source(*context, stage_.platform, current_->where));
  } else if (earlier) {
    scope_ = planner_.need(*earlier);
    planner_.count(scope_.history_bytes, current_->where);
    const Stage& below = planner_.plan().stages[*earlier];
    stage_.base = FromStage{*earlier};
    stage_.config = below.config;
    stage_.history = below.history;
    for (History& line : stage_.history) line.step = line.step == -1 ? -1 : kInherited;
  } else if (base::to_lower(image) == "scratch") {
    stage_.base = Scratch{};
    stage_.config.platform = planner_.target_platform();  // whatever --platform says (S3)
  } else {
    try {
      start_from_image(planner_.add_image(image, stage_.platform, current_->arg_range(0)));
    } catch (base::Error& e) {
      planner_.explain_stages(image, index_, e);
      throw;
    }
  }
  for (const std::string& part : from.resets) reset(part);
}

// Drops a part of what the base's configuration says. [dockerfile 15]
void StagePlanner::reset(const std::string& part) {
  oci::ContainerConfig& base = config();
  if (part == "env") {
    const Variables dropped = from_environment(base.env);
    for (const auto& [name, value] : dropped.all()) scope_.environment.remove(name);
    base.env.clear();
  } else if (part == "workdir") {
    base.working_dir.clear();
    scope_.has_absolute_workdir = false;
  } else if (part == "cmd") {
    base.cmd.clear();
  } else if (part == "entrypoint") {
    base.entrypoint.clear();
  } else if (part == "expose") {
    base.exposed_ports.clear();
  } else if (part == "healthcheck") {
    base.healthcheck.reset();
  } else if (part == "labels") {
    base.labels.clear();
  } else if (part == "onbuild") {
    base.on_build.clear();
  } else if (part == "shell") {
    base.shell.clear();
  } else if (part == "stopsignal") {
    base.stop_signal.clear();
  } else if (part == "user") {
    base.user.clear();
  } else {
    CHECK(part == "volumes");  // the last of dockerfile::kResettable
    base.volumes.clear();
  }
}

// Before anything is fetched for the stage. Only wrong values of stages that are built count, but
// then all of the recipe are told at once.
void StagePlanner::check_values() const {
  std::vector<dockerfile::Diagnostic> problems;
  if (!add_problems(planner_.text(index_), problems)) return;
  problems.clear();
  for (const StageText& stage : planner_.texts()) add_problems(stage, problems);
  throw dockerfile::RecipeError(std::move(problems));
}

// Global arguments that a FROM mentions are in use, even when no stage declares them.
void StagePlanner::note_globals(const dockerfile::From& from) {
  dockerfile::ExpandOptions options;
  options.escape = planner_.recipe().escape;
  auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    for (const dockerfile::ArgDefinition& global : planner_.global_definitions())
      if (global.name == name)
        planner_.note_argument(global, planner_.globals().arguments.find(name));
    return planner_.globals().arguments.find(name);
  };
  for (const std::string& text : {from.image, from.platform.value_or("")}) {
    try {
      dockerfile::expand(text, lookup, options);
    } catch (const base::Error&) {
      // Said already where the value is used.
    }
  }
}

// A directory as a base is a root file system with an empty configuration.
void StagePlanner::start_from_context(const FileSource& source) {
  if (const auto* image = std::get_if<FromImage>(&source)) return start_from_image(image->image);
  stage_.base = Scratch{};
  stage_.config.platform = stage_.platform;
  CopyStep step;
  step.from = source;
  step.sources = {"/"};
  step.destination = "/";
  step.source_places = {current_->where};
  add_step(std::move(step), stage_.from_text);
}

void StagePlanner::start_from_image(size_t image) {
  const BaseImage& base = planner_.plan().images[image];
  bool asked_for = planner_.options().platform || planner_.text(index_).from.platform;
  if (asked_for && !base.config.platform.satisfies(stage_.platform))
    planner_.warn(current_->where, "InvalidBaseImagePlatform",
                  base::str("the base image ", base::printable(base.reference), " is for ",
                            base.config.platform.str(), ", not for ", stage_.platform.str()));
  stage_.base = FromImage{image};
  stage_.config = base.config;
  planner_.count(base.config.raw.size(), current_->where);
  stage_.platform = base.config.platform;
  scope_.environment = from_environment(config().env);
  if (base.is_unknown) scope_.environment.declare_all();
  if (config().working_dir.starts_with('/')) scope_.has_absolute_workdir = true;
}

void StagePlanner::add_default_path() {
  if (scope_.environment.find("PATH")) return;
  scope_.environment.set("PATH", kDefaultPath);
  config().env.push_back(std::string("PATH=") + kDefaultPath);
}

}  // namespace plan
