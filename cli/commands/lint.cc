// torte lint: the checks of a build, without a context.
#include "base/sys/file.h"
#include "base/text.h"
#include "builder/dockerfile/validate.h"
#include "cli/build/build_options.h"
#include "cli/build/introspection.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/open_store.h"

namespace cli {

namespace {

int run_lint(Context& context, const Arguments& arguments) {
  std::string name = arguments.word(0);
  if (auto file = arguments.find("file")) {
    if (!name.empty()) throw UsageError("--file and FILE name the same thing: give one");
    name = *file;
  }
  std::string text;
  if (name == "-") {
    sys::FdSource source(context.in_fd, "standard input");
    text = base::read_all(source, dockerfile::kMaxRecipeSize);
  } else if (!name.empty()) {
    text = sys::read_user_file(name, dockerfile::kMaxRecipeSize);
  } else {
    for (const char* candidate : {"Recipe", "Dockerfile", "Containerfile", "dockerfile"}) {
      auto found = sys::find_user_file(candidate, dockerfile::kMaxRecipeSize);
      if (!found) continue;
      text = std::move(*found);
      name = candidate;
      break;
    }
    if (name.empty())
      throw base::Error(base::Code::kNotFound, "no recipe here", "recipe-missing")
          .add_fact("looked for Recipe, Dockerfile, Containerfile and dockerfile")
          .add_help("name it: torte lint FILE");
  }
  plan::Options options;
  options.build_args = read_build_args(context, arguments);
  options.target = arguments.get("target");
  Call call{CallKind::kCheck, arguments.get("format") == "json"};
  std::unique_ptr<store::Store> store = find_store(context);
  return answer_call(context, call, dockerfile::parse_and_validate(text, name), options,
                     store.get());
}

}  // namespace

const Command& lint_command() {
  static const Command kCommand{
      .name = "lint",
      .summary = "check a recipe for mistakes and bad habits",
      .usage = "[FLAGS] [FILE]",
      .about =
          "Runs the checks that every build runs, on all stages, and ends with status 1 when one "
          "of them "
          "has something to say. No context and no images are needed; what is known of base images "
          "in "
          "the store is used. Checks are turned off with a comment in the recipe: # "
          "check=skip=NAME",
      .group = "build and run",
      .flags = {{.name = "file",
                 .letter = 'f',
                 .value = "FILE",
                 .help = "the recipe, as in torte build"},
                {.name = "target", .value = "STAGE", .help = "only this stage and what it needs"},
                {.name = "build-arg",
                 .value = "NAME[=VALUE]",
                 .help = "value of an ARG",
                 .repeatable = true},
                {.name = "build-arg-file",
                 .value = "FILE",
                 .help = "values of ARGs, one NAME=VALUE a line",
                 .repeatable = true},
                {.name = "format",
                 .value = "FORMAT",
                 .help = "text or json",
                 .choices = {"text", "json"},
                 .common = true}},
      .examples = {{"torte lint", "check ./Recipe or ./Dockerfile"},
                   {"torte lint --format json web.Dockerfile", "for programs"}},
      .positionals = {0, 1},
      .run = run_lint,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
