#pragma once

#include <filesystem>
#include <string>

#include "runner/network/network.h"
#include "runner/network/state.h"

/// /etc/hosts of containers on bridges: a text of their own, and below it a section for each
/// user-defined network with its members. Written in place, because the file is bound into a
/// container.
namespace network {

void create_hosts_file(const std::filesystem::path& path, const std::string& text);
/// Other text above the sections. A file that is gone stays so.
void rewrite_own_text(const std::filesystem::path& path, const std::string& text);
/// Takes the section of a network away.
void remove_section(const std::filesystem::path& path, const std::string& network);
/// Tells all members of a user-defined network about each other; the one with the id `except` is on
/// its way out. The lock is held.
void refresh_members(const StateDirectory& state, const Network& network,
                     const std::string& except = {});

}  // namespace network
