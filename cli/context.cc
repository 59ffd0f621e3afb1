#include "cli/context.h"

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>

#include "base/sys/fd.h"
#include "base/text.h"
#include "cli/progress/progress.h"

namespace cli {

std::optional<std::string> Context::environment(const char* name) const {
  const char* value = getenv == nullptr ? nullptr : getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

void Context::out(std::string_view text) const {
  try {
    sys::write_all(out_fd, std::as_bytes(std::span(text)), "standard output");
  } catch (const base::SystemError& e) {
    // `torte images | head`: nobody is left to read the rest, which is no failure worth a word.
    if (e.error_number() == EPIPE) std::_Exit(141);
    throw;
  }
}

void Context::err(std::string_view text) const {
  try {
    sys::write_all(err_fd, std::as_bytes(std::span(text)), "standard error");
  } catch (const base::SystemError&) {
    // There is no place left to complain.
  }
}

std::unique_ptr<base::EventSink> Context::make_progress(std::string_view progress,
                                                        std::string_view details) {
  std::string wanted(progress);
  if (wanted.empty()) wanted = environment("TORTE_PROGRESS").value_or("auto");
  std::optional<ProgressMode> mode = parse_progress_mode(wanted);
  if (!mode) {
    UsageError error(base::str("progress mode \"", base::printable(wanted),
                               "\" is not one of auto, tty, plain, json, quiet"),
                     "flag-value");
    throw error;
  }
  if (quiet && *mode == ProgressMode::kAuto) mode = ProgressMode::kQuiet;
  json_errors = *mode == ProgressMode::kJson;
  return cli::make_progress(*mode, err_fd,
                            {.terminal = err_terminal(),
                             .color = color,
                             .details = std::string(details),
                             .getenv = getenv});
}

namespace {

std::filesystem::path home_directory(const Context& context) {
  if (std::optional<std::string> home = context.environment("HOME")) return *home;
  if (const passwd* user = getpwuid(getuid()); user != nullptr && user->pw_dir != nullptr)
    return user->pw_dir;
  return "/";
}

}  // namespace

Context make_context(const char* (*getenv)(const char*)) {
  Context context;
  context.getenv = getenv;
  if (geteuid() == 0) {
    context.root = "/var/lib/torte";
    context.run_root = "/run/torte";
    return context;
  }
  if (std::optional<std::string> data = context.environment("XDG_DATA_HOME"))
    context.root = std::filesystem::path(*data) / "torte";
  else
    context.root = home_directory(context) / ".local/share/torte";
  if (std::optional<std::string> runtime = context.environment("XDG_RUNTIME_DIR"))
    context.run_root = std::filesystem::path(*runtime) / "torte";
  else
    context.run_root = base::str("/tmp/torte-", geteuid());
  return context;
}

void apply_globals(Context& context, const Arguments& arguments) {
  if (auto root = arguments.find("root")) context.root = std::filesystem::absolute(*root);
  if (auto root = arguments.find("run-root")) context.run_root = std::filesystem::absolute(*root);
  if (auto mode = arguments.find("durability")) context.durable = *mode == "full";
  if (auto color = arguments.find("color"))
    context.color = parse_color_mode(*color).value_or(ColorMode::kAuto);
  context.quiet = arguments.is_on("quiet");
  std::string level = arguments.get("log-level", "warn");
  context.log_level = level == "debug"   ? LogLevel::kDebug
                      : level == "info"  ? LogLevel::kInfo
                      : level == "error" ? LogLevel::kError
                                         : LogLevel::kWarn;
}

}  // namespace cli
