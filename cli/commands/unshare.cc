// torte unshare: a shell inside the user namespace that torte works in.
#include <unistd.h>

#include <csignal>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cli {

namespace {

int run_unshare(Context& context, const Arguments& arguments) {
  std::vector<std::string> words = arguments.words();
  if (words.empty()) words = {context.environment("SHELL").value_or("/bin/sh")};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  ::execvp(argv[0], argv.data());
  const int error = errno;
  base::Error failure(
      base::Code::kFailed,
      base::str("run ", base::printable(words[0]), ": ", base::SystemError("", error).what()),
      "command-not-run");
  throw failure;
}

}  // namespace

const Command& unshare_command() {
  static const Command kCommand{
      .name = "unshare",
      .summary = "run a command as root of your own user namespace",
      .usage = "[COMMAND [ARGUMENT..]]",
      .about =
          "For ordinary users: starts COMMAND (default: your shell) where torte itself works, "
          "as root with your subordinate ids and with mounts of its own. There torte mount "
          "works and the files of layers can be read. Root gets COMMAND as it is.",
      .group = "about torte",
      .examples = {{"torte unshare sh -c 'ls $(torte mount app)'", "look into an image"}},
      .positionals = {0, Positionals::kAny, 1},
      .run = run_unshare,
      .failure_status = 125,
  };
  return kCommand;
}

}  // namespace cli
