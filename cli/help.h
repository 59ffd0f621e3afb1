#pragma once

#include <string>
#include <string_view>

#include "cli/options.h"

namespace cli {

/// What a flag is for, with the values it takes, on one line.
std::string flag_text(const Flag& flag);
/// One screen: usage, the common flags, up to three examples (spec/ux.md 9, -h).
std::string short_help(const Command& command, int width);
/// Everything: paragraphs, flags under their headings, examples, global flags (--help).
std::string full_help(const Command& command, int width);
/// The commands under their headings; with `group`, only those whose names start with that word.
std::string program_help(const CommandTable& table, int width, std::string_view group = {});

/// `text` broken at blanks to `width` columns, later lines indented. Help is ASCII: bytes are
/// columns.
std::string wrap(std::string_view text, size_t width, size_t indent);

}  // namespace cli
