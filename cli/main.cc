// The program: builds the context, hands it to the table of commands.
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/dispatch.h"

namespace {

const char* process_environment(const char* name) { return std::getenv(name); }

// Every layer in use is an open directory. The customary 1024 is there for select(2), which nobody
// here calls; a limit that cannot be raised is met later, by who needs more.
void raise_limit_of_files() {
  rlimit files;
  if (::getrlimit(RLIMIT_NOFILE, &files) < 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

int main(int argc, char** argv) {
  // A broken pipe is an error of the write that hit it, with a name; the launcher restores the
  // default for the programs it starts.
  std::signal(SIGPIPE, SIG_IGN);
  raise_limit_of_files();
  cli::Context context = cli::make_context(process_environment);
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  return cli::dispatch(cli::command_table(), context, words);
}
