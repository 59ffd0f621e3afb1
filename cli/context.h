#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/events.h"
#include "cli/options.h"
#include "cli/terminal.h"

namespace cli {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// What every command is given: where things live, how to speak, and the streams. Built once by
/// main from the environment and the global flags; one thread.
struct Context {
  const CommandTable* table = nullptr;
  std::filesystem::path root;      ///< durable store (--root)
  std::filesystem::path run_root;  ///< volatile state (--run-root)
  std::optional<bool> durable;     ///< what a store must be or is made (--durability)
  LogLevel log_level = LogLevel::kWarn;
  bool quiet = false;
  ColorMode color = ColorMode::kAuto;
  bool json_errors = false;  ///< --progress json: errors are events too
  int in_fd = 0;
  int out_fd = 1;
  int err_fd = 2;
  const char* (*getenv)(const char*) = nullptr;  ///< null for unset; tests give their own

  /// A variable that is set and not empty.
  std::optional<std::string> environment(const char* name) const;
  /// Results, to stdout. Throws SystemError; a reader that went away ends the program quietly.
  void out(std::string_view text) const;
  /// Everything else, to stderr; never throws.
  void err(std::string_view text) const;
  Terminal out_terminal() const { return probe_terminal(out_fd, color, getenv); }
  Terminal err_terminal() const { return probe_terminal(err_fd, color, getenv); }

  /// The reader of a command's events as --progress, --quiet and TORTE_PROGRESS ask for. `progress`
  /// is the value of the command's own --progress flag, "" when it has none; `details` a
  /// command named in the last line. Throws UsageError for an unknown mode.
  std::unique_ptr<base::EventSink> make_progress(std::string_view progress = {},
                                                 std::string_view details = {});
};

/// Defaults from the environment: root's and ordinary users' places (spec/ux.md 10).
Context make_context(const char* (*getenv)(const char*));
/// Applies the global flags. Throws UsageError.
void apply_globals(Context& context, const Arguments& arguments);

}  // namespace cli
