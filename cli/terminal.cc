#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <string>

#include "base/text.h"

namespace cli {

namespace {

std::string_view variable(const char* (*getenv)(const char*), const char* name) {
  const char* value = getenv == nullptr ? nullptr : getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool locale_is_utf8(const char* (*getenv)(const char*)) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value = base::to_lower(variable(getenv, name));
    if (value.empty()) continue;  // the first one set decides, as in setlocale(3)
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

bool wants_color(bool capable, ColorMode mode, const char* (*getenv)(const char*)) {
  if (mode != ColorMode::kAuto) return mode == ColorMode::kAlways;
  std::string_view force = variable(getenv, "CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return true;
  return capable && variable(getenv, "NO_COLOR").empty();
}

}  // namespace

Terminal probe_terminal(int fd, ColorMode color, const char* (*getenv)(const char*)) {
  Terminal terminal;
  std::string_view term = variable(getenv, "TERM");
  terminal.is_terminal = isatty(fd) == 1 && term != "dumb" && !term.empty();
  terminal.color = wants_color(terminal.is_terminal, color, getenv);
  terminal.unicode = locale_is_utf8(getenv);
  winsize size{};
  if (terminal.is_terminal && ioctl(fd, TIOCGWINSZ, &size) == 0) {
    if (size.ws_col > 0) terminal.width = size.ws_col;
    if (size.ws_row > 0) terminal.height = size.ws_row;
  }
  return terminal;
}

std::optional<ColorMode> parse_color_mode(std::string_view text) {
  if (text == "auto") return ColorMode::kAuto;
  if (text == "always") return ColorMode::kAlways;
  if (text == "never") return ColorMode::kNever;
  return std::nullopt;
}

}  // namespace cli
