// torte system check: whether this machine has what torte needs, and what to do where it has not.
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/system_check.h"
#include "cli/table.h"

namespace cli {

namespace {

using Json = nlohmann::json;

int run_system_check(Context& context, const Arguments& arguments) {
  const std::vector<Feature> features = check_system(context.root);
  Table table({"FEATURE", "WORKS", "NEEDED", "WHY", "FIX"});
  Json items = Json::array();
  for (const Feature& each : features) {
    table.add(
        {each.name, each.works ? "yes" : "no", each.needed ? "yes" : "no", each.why, each.fix});
    items.push_back({{"feature", each.name},
                     {"works", each.works},
                     {"needed", each.needed},
                     {"why", each.why},
                     {"fix", each.fix}});
  }
  print_listing(context, table, items, arguments.is_on("json") ? "json" : arguments.get("format"));
  return check_status(features);
}

}  // namespace

const Command& system_check_command() {
  static const Command kCommand{
      .name = "system check",
      .summary = "try what torte needs of this machine",
      .usage = "[FLAGS]",
      .about =
          "Tries each feature torte uses and prints what works, why not, and what to do about "
          "it. The exit status is 1 only when run cannot work.",
      .group = "about torte",
      .flags = {{.name = "json", .help = "as --format json", .common = true},
                {.name = "format",
                 .value = "FORMAT",
                 .help = "table, json, or a template",
                 .common = true}},
      .examples = {{"torte system check --format '{{.feature}}: {{.works}}'",
                    "two columns for a script"}},
      .run = run_system_check,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
