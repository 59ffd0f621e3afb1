#pragma once

#include <filesystem>
#include <string>

#include "cli/options.h"

namespace cli {

/// "torte-cache-prune", under which man(1) finds a command.
std::string manual_name(const Command& command);
/// The manual page of a command in the man(7) macros, made of what --help shows.
std::string manual_page(const Command& command);
/// The page of torte itself: the commands by groups, the global flags.
std::string manual_page(const CommandTable& table);
/// Writes them all into `directory`, which is made: torte.1, torte-build.1 and so on, and for each
/// alias a page that leads to its command.
void write_manual(const CommandTable& table, const std::filesystem::path& directory);

}  // namespace cli
