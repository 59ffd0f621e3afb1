#include "cli/commands/commands.h"

namespace cli {

const CommandTable& command_table() {
  static const CommandTable kTable = [] {
    CommandTable table = {
        // One line each, grouped as help shows them.
        &build_command(),
        &run_command(),
        &load_command(),
        &save_command(),
        &import_command(),
        &inspect_command(),
        &history_command(),
        &help_command(),
        &version_command(),
    };
    table.insert(table.end(), debug_commands().begin(), debug_commands().end());
    return table;
  }();
  return kTable;
}

}  // namespace cli
