#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"

namespace cli {

/// Things of this machine that a word may name.
enum class NameKind { kNone, kImage, kContainer, kBuild, kStage };

/// What may stand in place of the last of `words`, the one being typed; `words` excludes the
/// program's name. Whole words, sorted, each once: commands, flags, values of flags, and names that
/// `names` lists. `names` gets the words before, too: stages are those of the recipe they name.
std::vector<std::string> complete(
    const CommandTable& table, std::span<const std::string> words,
    const std::function<std::vector<std::string>(NameKind, std::span<const std::string>)>& names);

/// completion bash|zsh|fish, and what their scripts ask.
const std::vector<const Command*>& completion_commands();

}  // namespace cli
