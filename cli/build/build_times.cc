#include "cli/build/build_times.h"

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/git_reference.h"
#include "builder/dockerfile/mount.h"
#include "cli/flag_values.h"
#include "cli/remote/git_checkout.h"

namespace cli {

namespace {

std::optional<int64_t> time_of_context(const RecipeFile& recipe, const std::string& how) {
  if (recipe.context_time) return recipe.context_time;
  if (how != "git" || recipe.context.empty() || recipe.is_temporary) return std::nullopt;
  return work_tree_time(recipe.context);
}

std::optional<int64_t> time_of_address(const std::string& address, Fetcher& fetcher) {
  if (dockerfile::is_git_context(address))
    return fetcher.check_out(dockerfile::GitReference::parse(address), false).commit_time;
  if (!address.starts_with("http://") && !address.starts_with("https://")) return std::nullopt;
  Download file = fetcher.download(address);
  return file.has_modified ? std::optional(file.modified) : std::nullopt;
}

// The text that says the epoch.
std::optional<std::string> find_text(const Context& context, const Arguments& arguments,
                                     const plan::Options& planning) {
  if (auto text = arguments.find("timestamp")) return text;
  if (auto text = arguments.find("source-date-epoch")) return text;
  auto given = planning.build_args.find("SOURCE_DATE_EPOCH");
  if (given != planning.build_args.end()) return given->second;
  return context.environment("SOURCE_DATE_EPOCH");
}

bool wants_rewriting(const Arguments& arguments) {
  bool wants = arguments.is_on("rewrite-timestamp") || arguments.has("timestamp") ||
               arguments.is_on("reproducible");
  for (const std::string& output : arguments.all("output"))
    if (output.find("rewrite-timestamp=") != std::string::npos)
      wants |= dockerfile::parse_bool(split_fields(output, "output")["rewrite-timestamp"])
                   .value_or(false);
  return wants;
}

}  // namespace

void BuildTimes::read(const Context& context, const Arguments& arguments, const RecipeFile& recipe,
                      plan::Options& planning) {
  const std::optional<std::string> text = find_text(context, arguments, planning);
  rewrites_ = wants_rewriting(arguments);
  if (text && !text->empty()) {
    text_ = *text;
    if (auto seconds = base::parse_decimal(*text))
      epoch_ = static_cast<int64_t>(*seconds);
    else if (*text == "context" || *text == "git")
      epoch_ = time_of_context(recipe, *text);
    if (*text == "git" && !epoch_)
      throw base::Error(base::Code::kNotFound,
                        "--source-date-epoch git: the context is in no git work tree with a commit",
                        "no-git");
  } else if (arguments.is_on("reproducible")) {
    epoch_ = time_of_context(recipe, "git").value_or(0);
  }
  if (epoch_) planning.build_args["SOURCE_DATE_EPOCH"] = base::str(*epoch_);
}

void BuildTimes::follow(const plan::Plan& plan, const plan::Options& planning, Fetcher& fetcher) {
  if (text_.empty()) text_ = plan.source_date_epoch;
  if (!epoch_ && !text_.empty() && text_ != "context") {
    if (auto seconds = base::parse_decimal(text_))
      epoch_ = static_cast<int64_t>(*seconds);
    else
      follow_name(plan, planning, fetcher);
  }
  if (rewrites_ && !epoch_)
    throw UsageError("--rewrite-timestamp needs a time: --source-date-epoch N");
}

void BuildTimes::follow_name(const plan::Plan& plan, const plan::Options& planning,
                             Fetcher& fetcher) {
  auto context = planning.contexts.find(text_);
  if (context != planning.contexts.end()) epoch_ = time_of_address(context->second, fetcher);
  for (const plan::Stage& stage : plan.stages) {
    if (context != planning.contexts.end() || stage.name != base::to_lower(text_)) continue;
    bool plain = std::holds_alternative<plan::Scratch>(stage.base) && stage.steps.size() == 1;
    const auto* add = plain ? std::get_if<plan::CopyStep>(&stage.steps[0].action) : nullptr;
    const auto* named =
        add != nullptr && add->more.empty() ? std::get_if<plan::FromNamed>(&add->from) : nullptr;
    for (const plan::Remote& remote : plan.remotes)
      if (named != nullptr && remote.name == named->name)
        epoch_ = time_of_address(remote.address, fetcher);
  }
  if (!epoch_)
    throw UsageError(
        "SOURCE_DATE_EPOCH is a number of seconds, context, git, or the name of a context or of a "
        "stage with one ADD from elsewhere, not " +
        base::printable(text_));
}

}  // namespace cli
