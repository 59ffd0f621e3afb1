#include "cli/commands/commands.h"
#include "cli/completion.h"
#include "cli/images/image_server.h"

namespace cli {

const CommandTable& command_table() {
  static const CommandTable kTable = [] {
    CommandTable table = {
        // One line each, grouped as help shows them.
        &build_command(),   &lint_command(),         &run_command(),
        &create_command(),  &exec_command(),         &ps_command(),
        &events_command(),  &images_command(),       &tag_command(),
        &untag_command(),   &image_rename_command(), &rmi_command(),
        &pull_command(),    &push_command(),         &login_command(),
        &logout_command(),  &load_command(),         &save_command(),
        &import_command(),  &inspect_command(),      &history_command(),
        &tree_command(),    &diff_command(),         &mount_command(),
        &umount_command(),  &df_command(),           &fsck_command(),
        &info_command(),    &config_show_command(),  &system_check_command(),
        &unshare_command(), &help_command(),         &version_command(),
    };
    table.insert(table.end(), manifest_commands().begin(), manifest_commands().end());
    table.insert(table.end(), remote_commands().begin(), remote_commands().end());
    table.insert(table.end(), squash_commands().begin(), squash_commands().end());
    table.push_back(&sync_command());
    table.insert(table.end(), builds_commands().begin(), builds_commands().end());
    table.insert(table.end(), prune_commands().begin(), prune_commands().end());
    for (const auto* commands :
         {&container_life_commands(), &container_output_commands(), &container_file_commands(),
          &container_state_commands(), &generate_commands(), &volume_commands()})
      table.insert(table.end(), commands->begin(), commands->end());
    table.push_back(&container_inspect_command());
    table.push_back(&container_monitor_command());
    table.push_back(&image_server_command());
    table.push_back(&network_holder_command());
    table.insert(table.end(), cache_commands().begin(), cache_commands().end());
    table.insert(table.end(), cache_transfer_commands().begin(), cache_transfer_commands().end());
    table.insert(table.end(), network_commands().begin(), network_commands().end());
    table.insert(table.end(), completion_commands().begin(), completion_commands().end());
    table.insert(table.end(), debug_commands().begin(), debug_commands().end());
    return table;
  }();
  return kTable;
}

}  // namespace cli
