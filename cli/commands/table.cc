#include "cli/commands/commands.h"

namespace cli {

const CommandTable& command_table() {
  static const CommandTable kTable = {
      // One line each, grouped as help shows them.
      &help_command(),
      &version_command(),
  };
  return kTable;
}

}  // namespace cli
