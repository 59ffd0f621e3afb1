#include "cli/build/introspection.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "builder/solve/context_use.h"
#include "builder/solve/forecast.h"
#include "cli/debug_language.h"
#include "cli/images/base_images.h"
#include "cli/recipe_problems.h"
#include "cli/table.h"
#include "store/oci/reference.h"

namespace cli {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json place(const base::SourceRange& where) {
  return {{"file", where.file},
          {"line", where.first_line},
          {"endLine", where.last_line},
          {"column", where.column}};
}

// The instruction that a place lies in; null for the file as a whole.
const dockerfile::Instruction* instruction_at(const dockerfile::Recipe& recipe, int line) {
  for (const dockerfile::Instruction& instruction : recipe.instructions)
    if (instruction.where.first_line <= line && line <= instruction.where.last_line)
      return &instruction;
  return nullptr;
}

struct Need {
  std::string id;
  bool required = false;
  base::SourceRange where;
};

// Secrets or agents that the needed stages mount, each id once.
std::vector<Need> mounted(const plan::Plan& plan, plan::Mount::Type type) {
  std::vector<Need> needs;
  for (size_t stage : plan.order)
    for (const plan::Step& step : plan.stages[stage].steps) {
      const auto* run = std::get_if<plan::RunStep>(&step.action);
      if (run == nullptr) continue;
      for (const plan::Mount& mount : run->mounts) {
        if (mount.type != type) continue;
        auto known = std::find_if(needs.begin(), needs.end(),
                                  [&](const Need& n) { return n.id == mount.id; });
        if (known == needs.end()) known = needs.insert(needs.end(), {mount.id, false, step.where});
        known->required |= mount.required;
      }
    }
  return needs;
}

Json needs_json(const std::vector<Need>& needs) {
  Json out = Json::array();
  for (const Need& need : needs)
    out.push_back({{"id", need.id}, {"required", need.required}, {"location", place(need.where)}});
  return out;
}

std::string columns(const std::vector<std::vector<std::string>>& rows) {
  Table table(rows.front());
  for (size_t i = 1; i < rows.size(); ++i) table.add(rows[i]);
  return table.render(0);
}

void answer_outline(Context& context, const plan::Plan& plan, bool json) {
  const plan::TargetChoice& target = plan.targets[plan.target];
  std::vector<Need> secrets = mounted(plan, plan::Mount::Type::kSecret);
  std::vector<Need> agents = mounted(plan, plan::Mount::Type::kSsh);
  if (json) {
    Json out = {{"name", target.name},       {"description", target.description},
                {"args", Json::array()},     {"secrets", needs_json(secrets)},
                {"ssh", needs_json(agents)}, {"location", place(target.where)}};
    for (const plan::ArgumentUse& argument : plan.arguments) {
      Json each = {{"name", argument.name},
                   {"description", argument.description},
                   {"location", place(argument.where)}};
      if (argument.value) each["value"] = *argument.value;
      out["args"].push_back(std::move(each));
    }
    return context.out(dump(out));
  }
  std::string out =
      base::str("TARGET:       ", target.name.empty() ? base::str(plan.target) : target.name, "\n");
  if (!target.description.empty())
    out += "DESCRIPTION:  " + base::printable(target.description, 1000) + "\n";
  if (!plan.arguments.empty()) {
    std::vector<std::vector<std::string>> rows = {{"BUILD ARG", "VALUE", "DESCRIPTION"}};
    for (const plan::ArgumentUse& argument : plan.arguments)
      rows.push_back({argument.name, argument.value.value_or(""), argument.description});
    out += "\n" + columns(rows);
  }
  for (const auto& [title, needs] : {std::pair{"SECRET", &secrets}, std::pair{"SSH", &agents}}) {
    if (needs->empty()) continue;
    std::vector<std::vector<std::string>> rows = {{title, "REQUIRED"}};
    for (const Need& need : *needs) rows.push_back({need.id, need.required ? "true" : ""});
    out += "\n" + columns(rows);
  }
  context.out(out);
}

void answer_targets(Context& context, const plan::Plan& plan, bool json) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {{"TARGET", "BASE", "PLATFORM", "DESCRIPTION"}};
  for (size_t i = 0; i < plan.targets.size(); ++i) {
    const plan::TargetChoice& choice = plan.targets[i];
    list.push_back({{"name", choice.name},
                    {"index", i},
                    {"default", choice.is_default},
                    {"base", choice.base},
                    {"platform", choice.platform},
                    {"description", choice.description},
                    {"location", place(choice.where)}});
    rows.push_back({base::str(choice.name.empty() ? base::str(i) : choice.name,
                              choice.is_default ? " (default)" : ""),
                    choice.base, choice.platform, choice.description});
  }
  context.out(json ? dump({{"targets", list}}) : columns(rows));
}

// Local directories can be looked at; what must be fetched is left to the build.
solve::Options with_local_contexts(const solve::Options& solving, const plan::Plan& plan) {
  solve::Options options = solving;
  for (const auto& [name, value] : plan.contexts) {
    std::error_code ignored;
    if (value.find("://") == std::string::npos && std::filesystem::is_directory(value, ignored))
      options.named_contexts[name] = {value, "context " + name, true, false};
  }
  return options;
}

const char* word_for(solve::Prediction prediction) {
  switch (prediction) {
    case solve::Prediction::kCached:
      return "cached";
    case solve::Prediction::kRuns:
      return "runs";
    case solve::Prediction::kUnknown:
      return "unknown";
  }
  return "";
}

void answer_plan(Context& context, const plan::Plan& plan, bool json, store::Store* store,
                 const solve::Options* solving) {
  std::map<int, solve::Prediction> predictions;
  if (store != nullptr && solving != nullptr)
    predictions = solve::forecast(plan, with_local_contexts(*solving, plan), *store);
  Json stages = Json::array();
  std::string text;
  for (size_t index : plan.order) {
    const plan::Stage& stage = plan.stages[index];
    Json steps = Json::array();
    text += base::str("stage ", stage.label(), "  ", stage.platform.str(),
                      index == plan.target ? "  (target)" : "", "\n");
    text += base::str("  ", stage.from_step, "  ", stage.from_text, "\n");
    for (const plan::Step& step : stage.steps) {
      Json one = {{"step", step.number}, {"text", step.text}, {"location", place(step.where)}};
      auto prediction = predictions.find(step.number);
      const char* word = prediction == predictions.end() ? "" : word_for(prediction->second);
      if (*word != '\0') one["prediction"] = word;
      text += base::str("  ", step.number, "  ", step.text, *word != '\0' ? "  [" : "", word,
                        *word != '\0' ? "]\n" : "\n");
      steps.push_back(std::move(one));
    }
    Json one = {{"name", stage.name},
                {"index", stage.index},
                {"platform", stage.platform.str()},
                {"target", index == plan.target},
                {"from", stage.from_text},
                {"step", stage.from_step},
                {"steps", steps}};
    if (const auto* below = std::get_if<plan::FromStage>(&stage.base))
      one["fromStage"] = below->stage;
    stages.push_back(std::move(one));
  }
  context.out(json ? dump({{"stages", stages}}) : text);
}

// Others send the whole context before anything else; torte reads what the steps name.
void check_context(const plan::Plan& plan, const solve::Options& solving, store::Store& store,
                   const dockerfile::Recipe& recipe, const dockerfile::CheckConfig& checks,
                   std::vector<dockerfile::Diagnostic>& warnings) {
  constexpr uint64_t kLarge = 100 << 20;
  const char* const kId = "LargeContextUnused";
  if (!checks.wants(kId) || solving.context.empty() || solving.context_is_temporary) return;
  solve::ContextUse use = solve::measure_context(plan, solving, store);
  uint64_t unused = use.bytes - use.used_bytes;
  if (unused < kLarge || unused < use.used_bytes) return;
  std::string text = base::str("no step uses ", base::format_size(unused), " of the ",
                               base::format_size(use.bytes), " in the context");
  constexpr size_t kMostNamed = 3;
  for (size_t i = 0; i < std::min(use.unused.size(), kMostNamed); ++i)
    text += base::str(i == 0 ? ": " : ", ", base::printable(use.unused[i].path, 100), " (",
                      base::format_size(use.unused[i].bytes), ")");
  warnings.push_back(
      {kId,
       std::move(text),
       {recipe.file, 0, 0, 0, 0},
       {"leave it out in .dockerignore: builders that send the context first send all of it"},
       true});
}

int answer_check(Context& context, const std::vector<dockerfile::Diagnostic>& warnings,
                 const dockerfile::Recipe& recipe, bool json) {
  if (json) {
    Json list = Json::array();
    for (const dockerfile::Diagnostic& warning : warnings)
      list.push_back({{"id", warning.id},
                      {"message", warning.message},
                      {"helps", warning.helps},
                      {"location", place(warning.where)}});
    context.out(dump({{"warnings", list}}));
  } else if (warnings.empty()) {
    context.out("no warnings\n");
  } else {
    auto source = std::make_shared<const std::string>(recipe.source);
    ErrorStyle style{.width = context.out_terminal().width, .color = context.out_terminal().color};
    context.out(render_problems(recipe_problems(warnings, source), style));
  }
  return warnings.empty() ? 0 : 1;
}

}  // namespace

Call parse_call(const std::string& text) {
  std::vector<std::string> parts = base::split(text, ',');
  static const std::map<std::string, CallKind, std::less<>> kKinds = {
      {"check", CallKind::kCheck},     {"lint", CallKind::kCheck}, {"outline", CallKind::kOutline},
      {"targets", CallKind::kTargets}, {"ast", CallKind::kAst},    {"plan", CallKind::kPlan}};
  auto kind = kKinds.find(parts.empty() ? "" : parts[0]);
  if (kind == kKinds.end())
    throw UsageError("--call is check, outline, targets, ast or plan, not " +
                     base::printable(text));
  Call call{kind->second, kind->second == CallKind::kAst};
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "format=json")
      call.json = true;
    else if (parts[i] != "format=text")
      throw UsageError("--call: unknown option " + base::printable(parts[i]));
  }
  return call;
}

plan::BaseImage KnownImages::get(const std::string& reference, const oci::Platform& platform) {
  std::optional<store::ImageRecord> record;
  if (store_ != nullptr) record = find_image(*store_, reference);
  if (record && oci::Platform::parse(record->platform).satisfies(platform))
    return {reference, record->id.str(), read_config(*store_, *record), record->layers};
  plan::BaseImage unknown{.reference = reference,
                          .identity = reference,
                          .config = {},
                          .layers = {},
                          .is_unknown = true};
  unknown.config.platform = platform;
  return unknown;
}

std::vector<dockerfile::Diagnostic> all_warnings(
    const dockerfile::Recipe& recipe, const dockerfile::CheckConfig& checks,
    const std::vector<dockerfile::Diagnostic>& planned) {
  std::vector<dockerfile::Diagnostic> warnings = dockerfile::run_checks(recipe, checks);
  std::set<std::tuple<std::string, int, int, std::string>> seen;
  for (const dockerfile::Diagnostic& warning : planned) {
    bool wanted = wants_warning(recipe, checks, warning.id, warning.where);
    // A stage planned for two platforms says everything twice.
    if (wanted &&
        seen.emplace(warning.id, warning.where.first_line, warning.where.column, warning.message)
            .second)
      warnings.push_back(warning);
  }
  dockerfile::sort_by_place(warnings);
  return warnings;
}

bool wants_warning(const dockerfile::Recipe& recipe, const dockerfile::CheckConfig& checks,
                   const std::string& id, const base::SourceRange& where) {
  const dockerfile::Instruction* instruction = instruction_at(recipe, where.first_line);
  return instruction != nullptr ? checks.wants(id, *instruction) : checks.wants(id);
}

int answer_call(Context& context, const Call& call, const dockerfile::Recipe& recipe,
                const plan::Options& options, store::Store* store, const solve::Options* solving,
                const SourcePolicy* policy) {
  if (call.kind == CallKind::kAst) {
    std::ostringstream out;
    print_recipe(recipe, out);
    context.out(out.str());
    return 0;
  }
  auto given = options.build_args.find("BUILDKIT_DOCKERFILE_CHECK");
  dockerfile::CheckConfig checks =
      dockerfile::check_config(recipe, given == options.build_args.end() ? "" : given->second);
  KnownImages known(store);
  const SourcePolicy none;
  PolicyImages images(policy == nullptr ? none : *policy, known, nullptr);
  plan::Options planning = options;
  planning.allow_host_network = planning.allow_insecure = planning.allow_all_devices = true;
  planning.all_stages = call.kind == CallKind::kCheck && options.target.empty();
  plan::Plan plan;
  try {
    plan = plan::make_plan(recipe, planning, images);
  } catch (const dockerfile::RecipeError&) {
    // What the text alone tells may be why.
    const auto warnings = all_warnings(recipe, checks, {});
    if (call.kind == CallKind::kCheck && !warnings.empty())
      answer_check(context, warnings, recipe, call.json);
    throw;
  }
  switch (call.kind) {
    case CallKind::kOutline:
      answer_outline(context, plan, call.json);
      return 0;
    case CallKind::kTargets:
      answer_targets(context, plan, call.json);
      return 0;
    case CallKind::kPlan:
      answer_plan(context, plan, call.json, store, solving);
      return 0;
    default:
      break;
  }
  std::vector<dockerfile::Diagnostic> warnings = all_warnings(recipe, checks, plan.warnings);
  if (solving != nullptr && store != nullptr)
    check_context(plan, *solving, *store, recipe, checks, warnings);
  return answer_check(context, warnings, recipe, call.json);
}

}  // namespace cli
