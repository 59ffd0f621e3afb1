// The program: builds the context, hands it to the table of commands.
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/dispatch.h"

namespace {

const char* process_environment(const char* name) { return std::getenv(name); }

}  // namespace

int main(int argc, char** argv) {
  // A broken pipe is an error of the write that hit it, with a name; the launcher restores the
  // default for the programs it starts.
  std::signal(SIGPIPE, SIG_IGN);
  cli::Context context = cli::make_context(process_environment);
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  return cli::dispatch(cli::command_table(), context, words);
}
