// torte version: what this program is.
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cli {

namespace {

int run_version(Context& context, const Arguments& arguments) {
  if (arguments.is_on("json") || arguments.get("format") == "json")
    context.out("{\"version\":\"" TORTE_VERSION "\"}\n");
  else
    context.out("torte " TORTE_VERSION "\n");
  return 0;
}

}  // namespace

const Command& version_command() {
  static const Command kCommand{
      .name = "version",
      .summary = "show the version",
      .usage = "[--json|--format json]",
      .group = "about torte",
      .flags = {{.name = "json", .help = "as a JSON object", .common = true},
                {.name = "format",
                 .value = "json",
                 .help = "the same, as other commands spell it",
                 .choices = {"json"}}},
      .examples = {{"torte version --json", "the version, for programs"}},
      .run = run_version,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
