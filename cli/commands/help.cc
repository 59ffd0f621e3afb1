// torte help: the command table, read aloud.
#include "cli/help.h"

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cli {

namespace {

int run_help(Context& context, const Arguments& arguments) {
  int width = context.out_terminal().width;
  if (arguments.words().empty()) {
    context.out(program_help(*context.table, width));
    return 0;
  }
  // The parser knows groups, aliases and near misses; asking it for --help says the rest.
  std::vector<std::string> words = arguments.words();
  words.emplace_back("--help");
  Invocation wanted = parse(*context.table, words, context.getenv);
  context.out(wanted.command == nullptr ? program_help(*context.table, width, wanted.group)
                                        : full_help(*wanted.command, width));
  return 0;
}

}  // namespace

const Command& help_command() {
  static const Command kCommand{
      .name = "help",
      .summary = "describe torte or one of its commands",
      .usage = "[COMMAND]",
      .group = "about torte",
      .examples = {{"torte help", "the list of commands"},
                   {"torte help version", "everything about one command"}},
      .positionals = {.max = 2},
      .run = run_help,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
