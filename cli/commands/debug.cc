// torte debug: questions about the language and the formats, asked and answered in JSON, and the
// manual as packages want it. Machine interfaces, stable.
#include <iostream>

#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/debug_language.h"
#include "cli/debug_oci.h"
#include "cli/manual.h"

namespace cli {

namespace {

int run_debug_parse(Context&, const Arguments& arguments) {
  return debug_parse(arguments.word(0), std::cout);
}
int run_debug_expand(Context&, const Arguments&) { return debug_expand(std::cin, std::cout); }
int run_debug_ignore(Context&, const Arguments&) { return debug_ignore(std::cin, std::cout); }
int run_debug_ref(Context&, const Arguments&) { return debug_ref(std::cin, std::cout); }
int run_debug_validate(Context&, const Arguments&) { return debug_validate(std::cin, std::cout); }
int run_debug_manual(Context& context, const Arguments& arguments) {
  write_manual(*context.table, arguments.word(0));
  return 0;
}

}  // namespace

const std::vector<const Command*>& debug_commands() {
  static const Command kParse{.name = "debug parse",
                              .summary = "print a recipe as JSON, as the parser sees it",
                              .usage = "FILE",
                              .group = "about torte",
                              .positionals = {1, 1},
                              .run = run_debug_parse,
                              .in_user_namespace = false};
  static const Command kExpand{.name = "debug expand",
                               .summary = "answer questions about variable expansion",
                               .group = "about torte",
                               .run = run_debug_expand,
                               .in_user_namespace = false};
  static const Command kIgnore{.name = "debug ignore",
                               .summary = "answer questions about ignore patterns",
                               .group = "about torte",
                               .run = run_debug_ignore,
                               .in_user_namespace = false};
  static const Command kRef{.name = "debug ref",
                            .summary = "answer questions about image references",
                            .group = "about torte",
                            .run = run_debug_ref,
                            .in_user_namespace = false};
  static const Command kValidate{.name = "debug validate",
                                 .summary = "check OCI documents",
                                 .group = "about torte",
                                 .run = run_debug_validate,
                                 .in_user_namespace = false};
  static const Command kManual{.name = "debug manual",
                               .summary = "write the manual pages of all commands",
                               .usage = "DIRECTORY",
                               .group = "about torte",
                               .positionals = {1, 1},
                               .run = run_debug_manual,
                               .in_user_namespace = false};
  static const std::vector<const Command*> kAll{&kParse, &kExpand,   &kIgnore,
                                                &kRef,   &kValidate, &kManual};
  return kAll;
}

}  // namespace cli
