#pragma once

#include "cli/options.h"

namespace cli {

/// Every command, in the order help lists them. To add one: write cli/commands/NAME.cc with
/// `const Command& NAME_command()`, declare it here, list it in table.cc and in CMakeLists.txt.
const CommandTable& command_table();

const Command& build_command();
/// builds ls, show, logs, rm.
const std::vector<const Command*>& builds_commands();
const Command& run_command();
const Command& create_command();
const Command& container_monitor_command();
/// Hidden: what keeps the networks of an ordinary user.
const Command& network_holder_command();
const Command& ps_command();
const Command& events_command();
/// start, stop, restart, kill, pause, unpause, wait, rename, rm, container prune.
const std::vector<const Command*>& container_life_commands();
const Command& exec_command();
const Command& container_inspect_command();
/// cp, export, commit.
const std::vector<const Command*>& container_file_commands();
/// top, stats, port, update.
const std::vector<const Command*>& container_state_commands();
/// volume create, ls, inspect, rm, prune.
const std::vector<const Command*>& volume_commands();
/// logs, attach.
const std::vector<const Command*>& container_output_commands();
/// cache ls, cache inspect, cache rm.
const std::vector<const Command*>& cache_commands();
/// cache export, cache import.
const std::vector<const Command*>& cache_transfer_commands();
/// `torte debug ...`: machine interfaces for tests and tools.
const std::vector<const Command*>& debug_commands();
/// generate oci-bundle, generate systemd.
const std::vector<const Command*>& generate_commands();
const Command& config_show_command();
const Command& help_command();
const Command& df_command();
const Command& diff_command();
const Command& fsck_command();
const Command& history_command();
const Command& image_rename_command();
const Command& images_command();
const Command& import_command();
const Command& info_command();
const Command& inspect_command();
const Command& lint_command();
const Command& load_command();
const Command& login_command();
const Command& logout_command();
/// manifest create, add, annotate, remove, inspect, push, rm.
const std::vector<const Command*>& manifest_commands();
const Command& mount_command();
/// network create, ls, inspect, rm, prune, reload.
const std::vector<const Command*>& network_commands();
/// prune, image prune, cache prune.
const std::vector<const Command*>& prune_commands();
const Command& pull_command();
const Command& push_command();
/// copy, list-tags, digest, referrers, delete.
const std::vector<const Command*>& remote_commands();
const Command& rmi_command();
const Command& save_command();
/// squash, flatten.
const std::vector<const Command*>& squash_commands();
const Command& sync_command();
const Command& system_check_command();
const Command& tag_command();
const Command& tree_command();
const Command& umount_command();
const Command& unshare_command();
const Command& untag_command();
const Command& version_command();

}  // namespace cli
