#pragma once

#include <optional>
#include <string_view>

namespace cli {

enum class ColorMode { kAuto, kAlways, kNever };

/// What a stream can show (spec/ux.md 1, U8).
struct Terminal {
  bool is_terminal = false;  ///< and not TERM=dumb: may be redrawn
  bool color = false;
  bool unicode = false;  ///< the locale speaks UTF-8: marks such as ✓ may be used
  int width = 80;        ///< columns; 80 when unknown
  int height = 24;
};

/// Looks at a descriptor and the environment: NO_COLOR, CLICOLOR_FORCE, TERM, LC_ALL, LC_CTYPE,
/// LANG. `getenv` answers null for unset variables. Never throws.
Terminal probe_terminal(int fd, ColorMode color, const char* (*getenv)(const char*));

/// "auto", "always", "never".
std::optional<ColorMode> parse_color_mode(std::string_view text);

}  // namespace cli
