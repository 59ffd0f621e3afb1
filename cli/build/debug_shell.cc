#include "cli/build/debug_shell.h"

#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"
#include "cli/options.h"

namespace cli {

namespace {

// One line of the terminal; nothing at its end.
std::optional<std::string> read_line(int fd) {
  std::string line;
  for (char c = 0;;) {
    ssize_t n = ::read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    if (c == '\n') return line;
    line += c;
  }
}

}  // namespace

DebugShell::DebugShell(Context& context, std::string shell)
    : context_(context), shell_(std::move(shell)) {
  if (shell_.empty()) shell_ = "/bin/sh";
  if (::isatty(context.in_fd) != 1 || ::isatty(context.out_fd) != 1)
    throw UsageError("--debug-on-error needs a terminal");
}

solve::AfterFailure DebugShell::ask(
    const base::Error& error, const std::function<void(const std::vector<std::string>&)>& shell) {
  std::lock_guard lock(mutex_);
  context_.err(base::str("\n", error.what(),
                         "\na shell in the step as it left it; its end asks what next\n"));
  for (;;) {
    try {
      shell({shell_});
    } catch (const base::Error& e) {
      context_.err(base::str("no shell: ", e.what(), "\n"));
    }
    context_.err(
        "[r]etry the step, [c]ontinue with what is there, open the [s]hell again, or [a]bort? ");
    std::optional<std::string> answer = read_line(context_.in_fd);
    std::string word = base::to_lower(base::trim(answer.value_or("a")));
    if (word == "r" || word == "retry") return solve::AfterFailure::kRetry;
    if (word == "c" || word == "continue") return solve::AfterFailure::kContinue;
    if (word == "a" || word == "abort" || !answer) return solve::AfterFailure::kGiveUp;
  }
}

}  // namespace cli
