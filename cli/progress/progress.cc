#include "cli/progress/progress.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/sys/fd.h"
#include "cli/progress/json_view.h"
#include "cli/progress/plain_view.h"
#include "cli/progress/quiet_view.h"
#include "cli/progress/tty_view.h"

namespace cli {

namespace {

constexpr std::chrono::milliseconds kFrame(67);     // fifteen a second
constexpr std::chrono::milliseconds kSilent(1000);  // plain output only looks for silence

Time steady_now() {
  return std::chrono::duration_cast<Time>(std::chrono::steady_clock::now().time_since_epoch());
}

std::chrono::seconds time_of_day() {
  return std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

// Writing progress must never fail the work it tells about.
Write writer(int fd) {
  return [fd](std::string_view text) {
    try {
      sys::write_all(fd, std::as_bytes(std::span(text)), "progress");
    } catch (const base::Error&) {
    }
  };
}

// Calls tick() of a view now and then from a thread that takes no signals.
class Ticker {
 public:
  Ticker(View& view, std::chrono::milliseconds interval) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::jthread([this, &view, interval](const std::stop_token& stop) {
      std::unique_lock lock(mutex_);
      while (!wake_.wait_for(lock, stop, interval, [&] { return stop.stop_requested(); }))
        view.tick();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: joined before what it uses goes
};

class TickedView : public base::EventSink {
 public:
  TickedView(std::unique_ptr<View> view, std::chrono::milliseconds interval)
      : view_(std::move(view)), ticker_(*view_, interval) {}
  void emit(const base::Event& event) override { view_->emit(event); }

 private:
  std::unique_ptr<View> view_;
  Ticker ticker_;  // last: stopped before the view goes
};

// Ctrl-Z and fg: the shell has written below our rows, so the next frame must not move up into it.
std::atomic<bool> continued{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_continue(int) { continued = true; }

void watch_for_continue() {
  struct sigaction action = {};
  action.sa_handler = on_continue;
  action.sa_flags = SA_RESTART;
  sigaction(SIGCONT, &action, nullptr);
}

// Mode 2026 is announced by answering a query; a build does not read the terminal, so known names
// must do.
bool is_synchronized(const char* (*getenv)(const char*)) {
  auto value = [&](const char* name) {
    const char* text = getenv == nullptr ? nullptr : getenv(name);
    return std::string_view(text == nullptr ? "" : text);
  };
  static constexpr std::array kPrograms = {"WezTerm", "ghostty", "iTerm.app", "contour"};
  static constexpr std::array kTerms = {"kitty", "foot", "alacritty", "contour", "ghostty"};
  for (std::string_view name : kPrograms)
    if (value("TERM_PROGRAM") == name) return true;
  for (std::string_view name : kTerms)
    if (value("TERM").find(name) != std::string_view::npos) return true;
  return false;
}

std::unique_ptr<View> make_tty(int fd, const ProgressOptions& options) {
  watch_for_continue();
  TtyView::Options tty;
  tty.terminal = [fd, color = options.color, getenv = options.getenv] {
    return probe_terminal(fd, color, getenv);
  };
  tty.resumed = [] { return continued.exchange(false); };
  tty.synchronized = is_synchronized(options.getenv);
  tty.details = options.details;
  return std::make_unique<TtyView>(writer(fd), steady_now, std::move(tty));
}

std::unique_ptr<View> make_plain(int fd, const ProgressOptions& options) {
  return std::make_unique<PlainView>(writer(fd), steady_now,
                                     PlainView::Options{.keep_color = options.terminal.color,
                                                        .expand_tabs = options.terminal.is_terminal,
                                                        .groups = CiGroups::detect(options.getenv),
                                                        .details = options.details,
                                                        .wall = time_of_day});
}

}  // namespace

std::optional<ProgressMode> parse_progress_mode(std::string_view text) {
  if (text == "auto") return ProgressMode::kAuto;
  if (text == "tty") return ProgressMode::kTty;
  if (text == "plain") return ProgressMode::kPlain;
  if (text == "json") return ProgressMode::kJson;
  if (text == "quiet") return ProgressMode::kQuiet;
  return std::nullopt;
}

std::unique_ptr<base::EventSink> make_progress(ProgressMode mode, int fd,
                                               const ProgressOptions& options) {
  // Redrawing needs a terminal whatever was asked for (U8).
  if (mode == ProgressMode::kAuto || mode == ProgressMode::kTty)
    mode = options.terminal.is_terminal ? ProgressMode::kTty : ProgressMode::kPlain;
  switch (mode) {
    case ProgressMode::kJson:
      return std::make_unique<JsonView>(writer(fd), steady_now);
    case ProgressMode::kQuiet:
      return std::make_unique<QuietView>(
          writer(fd), steady_now,
          LineSanitizer::Options{.keep_color = options.terminal.color,
                                 .expand_tabs = options.terminal.is_terminal});
    case ProgressMode::kTty:
      return std::make_unique<TickedView>(make_tty(fd, options), kFrame);
    case ProgressMode::kAuto:
    case ProgressMode::kPlain:
      break;
  }
  return std::make_unique<TickedView>(make_plain(fd, options), kSilent);
}

}  // namespace cli
