#include "cli/dispatch.h"

#include <exception>

#include "base/error.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "cli/configuration.h"
#include "cli/error_view.h"
#include "cli/help.h"

namespace cli {

namespace {

constexpr int kUsageStatus = 2;
constexpr int kCancelledStatus = 130;

int show_help(const CommandTable& table, Context& context, const Invocation& invocation) {
  int width = context.out_terminal().width;
  if (invocation.command == nullptr)
    context.out(program_help(table, width, invocation.group));
  else if (invocation.help == Help::kShort)
    context.out(short_help(*invocation.command, width));
  else
    context.out(full_help(*invocation.command, width));
  return 0;
}

int run(const CommandTable& table, Context& context, std::span<const std::string> words,
        int& failure_status) {
  Invocation invocation = parse(table, words, context.getenv);
  if (invocation.help != Help::kNone) return show_help(table, context, invocation);
  if (invocation.command != nullptr)
    Configuration::load(table, configuration_files(context, invocation.arguments))
        .apply(invocation.arguments);
  apply_globals(context, invocation.arguments);
  if (invocation.command == nullptr && invocation.arguments.is_on("version")) {
    context.out("torte " TORTE_VERSION "\n");
    return 0;
  }
  if (invocation.command == nullptr) {
    // Bare `torte` is a question, but not one a script should take for success.
    context.err(program_help(table, context.err_terminal().width));
    return kUsageStatus;
  }
  failure_status = invocation.command->failure_status;
  // Before the first thread starts: a process of several threads cannot change its user namespace.
  if (invocation.command->in_user_namespace) sys::enter_user_namespace();
  return invocation.command->run(context, invocation.arguments);
}

}  // namespace

int dispatch(const CommandTable& table, Context& context, std::span<const std::string> words) {
  int failure_status = 1;
  context.table = &table;
  try {
    return run(table, context, words, failure_status);
  } catch (const UsageError& e) {
    print_error(context, e);
    return kUsageStatus;
  } catch (const base::Error& e) {
    print_error(context, e);
    if (e.code() != base::Code::kCancelled) return failure_status;
    return e.exit_status() > 0 ? e.exit_status() : kCancelledStatus;
  } catch (const std::exception& e) {
    print_internal_fault(context, e);
    return failure_status;
  }
}

}  // namespace cli
