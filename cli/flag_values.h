#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/options.h"

/// What the values of flags have in common.
namespace cli {

/// "NAME=VALUE". Throws UsageError naming `flag`.
std::pair<std::string, std::string> split_pair(const std::string& text, const char* flag);
/// "k=v,k2,..." with quoting as in CSV files; a key without value gets "true".
std::map<std::string, std::string> split_fields(const std::string& text, const char* flag);

/// The text of a file that a flag names; errors name the flag.
std::string read_file_of(const char* flag, const std::string& file, uint64_t most_bytes);
/// "WHAT WORD; there are ...", with the nearest as help.
UsageError unknown_word(const std::string& what, const std::string& word,
                        const std::vector<std::string>& known);

}  // namespace cli
