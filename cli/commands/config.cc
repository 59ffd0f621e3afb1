// torte config show: what flags are set to before anybody gives them, and by whom.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/configuration.h"
#include "cli/context.h"
#include "cli/table.h"

namespace cli {

namespace {

struct Value {
  std::vector<std::string> values;
  std::string origin;
};
using Values = std::map<std::string, Value>;

// The global flags have a value in any case.
void add_globals(const Context& context, const Arguments& arguments, Values& values) {
  const std::pair<std::string, std::string> effective[] = {
      {"root", context.root.string()},
      {"run-root", context.run_root.string()},
      {"log-level", arguments.get("log-level", "warn")},
      {"color", arguments.get("color", "auto")},
      {"quiet", context.quiet ? "true" : "false"}};
  for (const auto& [name, value] : effective) {
    std::string origin = arguments.origin(name);
    if (origin.empty()) origin = arguments.has(name) ? "command line" : "default";
    values[name] = {{value}, origin};
  }
}

void add_environment(const Context& context, Values& values) {
  for (const Command* command : *context.table)
    for (const Flag& flag : command->flags) {
      if (flag.environment.empty()) continue;
      const std::string variable(flag.environment);
      if (auto value = context.environment(variable.c_str()))
        values.insert_or_assign(Setting{command, &flag, {}, {}}.key(),
                                Value{{*value}, "$" + variable});
    }
}

int run_show(Context& context, const Arguments& arguments) {
  Values values;
  const Configuration configuration =
      Configuration::load(*context.table, configuration_files(context, arguments));
  for (const Setting& setting : configuration.settings())
    values.emplace(setting.key(), Value{setting.values, setting.origin()});
  add_environment(context, values);
  add_globals(context, arguments, values);
  Table table({"KEY", "VALUE", "ORIGIN"});
  nlohmann::json items = nlohmann::json::array();
  for (const auto& [key, value] : values) {
    table.add({key, base::join(value.values, ", "), value.origin});
    items.push_back({{"key", key}, {"values", value.values}, {"origin", value.origin}});
  }
  print_listing(context, table, items, arguments.get("format"));
  return 0;
}

}  // namespace

const Command& config_show_command() {
  static const Command kCommand{
      .name = "config show",
      .summary = "show what flags are set to, and where",
      .usage = "[--format FORMAT]",
      .about =
          "A flag that is not given has the value of its environment variable, or what the first "
          "of these "
          "files says: the one of --config, ~/.config/torte/config.toml, /etc/torte/config.toml, "
          "/usr/share/torte/config.toml.\n"
          "A file is TOML. A table such as [build] or [cache.prune] is a command, its keys are "
          "flags without "
          "dashes; a key outside of tables is for every command that has such a flag.",
      .group = "about torte",
      .flags = {{.name = "format",
                 .value = "FORMAT",
                 .help = "table, json, json-lines or a template",
                 .common = true}},
      .examples = {{"torte config show", "the values that count, each with its origin"},
                   {"torte --config ci.toml config show", "what they are with one more file"}},
      .run = run_show,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
