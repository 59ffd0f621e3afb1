#include "runner/container/life.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "runner/container/monitor.h"
#include "runner/container/volumes.h"
#include "store/oci/json_fields.h"

namespace container {

namespace {

constexpr std::chrono::seconds kStopTimeout{10};
constexpr std::string_view kStarted = "started:";
constexpr uint64_t kMostReport = 1 << 20;

/// An error on its way from the monitor to the command that started it.
std::string error_json(const base::Error& e) {
  const nlohmann::ordered_json out = {
      {"code", static_cast<int>(e.code())}, {"message", e.what()}, {"id", e.id()},
      {"status", e.exit_status()},          {"facts", e.facts()},  {"helps", e.helps()}};
  return oci::dump_json(out);
}

[[noreturn]] void throw_reported(const std::string& text) {
  const nlohmann::json report = nlohmann::json::parse(text, nullptr, false);
  if (!report.is_object())
    throw base::Error(base::Code::kUnavailable, "the container's monitor died while it started",
                      "monitor-died");
  const oci::Fields fields(report, "report");
  base::Error error(static_cast<base::Code>(fields.integer("code", 0, 100).value_or(0)),
                    fields.text("message"), fields.text("id"));
  error.set_exit_status(static_cast<int>(fields.integer("status", -1, 255).value_or(-1)));
  for (const std::string& fact : fields.texts("facts")) error.add_fact(fact);
  for (const std::string& help : fields.texts("helps")) error.add_help(help);
  throw error;
}

sys::UniqueFd take_descriptor(const std::string& text) {
  const auto number = base::parse_decimal(text);
  if (!number) return {};
  const int fd = static_cast<int>(*number);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return sys::UniqueFd(fd);
}

base::Error not_running(const std::string& id) {
  return base::Error(base::Code::kUnavailable, "container " + short_id(id) + " is not running",
                     "container-not-running");
}

}  // namespace

Started start_monitor(const std::vector<std::string>& command, Claim claim,
                      const StartOptions& options) {
  const bool attach = options.attach;
  sys::Pipe report = sys::make_pipe();
  int pair[2] = {-1, -1};
  if (attach && ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    base::throw_errno("create control socket");
  sys::UniqueFd ours(pair[0]), theirs(pair[1]);
  std::vector<std::string> argv = command;
  argv.push_back(claim.id);
  std::vector<int> keep = {claim.lock.fd(), report.write_end.get()};
  if (attach) keep.push_back(theirs.get());
  for (const int fd : {claim.lock.fd(), report.write_end.get(), theirs.get()})
    argv.push_back(fd < 0 ? "-" : std::to_string(fd));
  argv.push_back(std::to_string(static_cast<int>(sys::userns_mode())));
  argv.push_back(std::to_string(options.further_fds));
  argv.emplace_back(options.held ? "held" : "-");
  for (int i = 0; i < options.further_fds; ++i) keep.push_back(STDERR_FILENO + 1 + i);
  Started started;
  started.monitor = sys::start_self(argv, keep, options.own_streams);
  report.write_end.reset();
  theirs.reset();
  { const Claim passed_on = std::move(claim); }
  sys::FdSource source(report.read_end.get(), "report of the monitor");
  const std::string text = base::read_all(source, kMostReport);
  if (!text.starts_with(kStarted)) {
    started.monitor.wait();
    throw_reported(text);
  }
  started.warning = text.substr(kStarted.size());
  if (attach) started.owner.emplace(std::move(ours));
  return started;
}

int run_monitor(Containers& containers, const std::vector<std::string>& words) {
  constexpr size_t kWords = 7;
  if (words.size() != kWords)
    throw base::Error(base::Code::kInvalid, "this command is torte's own", "usage");
  Claim claim{words[0], sys::LifeLock::adopt(take_descriptor(words[1]))};
  sys::UniqueFd report = take_descriptor(words[2]);
  // It was entered by the command that started us.
  sys::adopt_user_namespace(
      static_cast<sys::UsernsMode>(base::parse_decimal(words[4]).value_or(0)));
  launch::ForwardedSignals signals;
  MonitorOptions options;
  options.owner = take_descriptor(words[3]);
  options.signals = &signals;
  options.stdin_fd = STDIN_FILENO;  // with --log-driver passthrough
  options.further_fds = static_cast<int>(base::parse_decimal(words[5]).value_or(0));
  options.held = words[6] == "held";
  for (int i = 0; i < options.further_fds; ++i) ::fcntl(STDERR_FILENO + 1 + i, F_SETFD, FD_CLOEXEC);
  auto tell = [&](const std::string& text) {
    sys::write_all(report.get(), base::as_bytes(text), "report");
    report.reset();
  };
  options.started = [&](const std::string& warning) { tell(base::str(kStarted, warning)); };
  try {
    return monitor(containers, std::move(claim), std::move(options));
  } catch (const base::Error& e) {
    if (report) tell(error_json(e));
    return e.exit_status() > 0 ? e.exit_status() : 125;
  }
}

int stop_signal_of(const Config& config) {
  return parse_signal(config.stop_signal).value_or(SIGTERM);
}

void stop(Containers& containers, const std::string& id, std::optional<int> signal,
          std::optional<std::chrono::seconds> timeout) {
  const Config config = containers.read(id).config;
  std::optional<Control> control = Control::connect(containers.home(id).control());
  if (!control) {
    if (!containers.is_held(id) && containers.read_state(id).is_live()) containers.claim(id);
    return;
  }
  const std::chrono::seconds patience = timeout.value_or(
      config.stop_timeout_seconds ? std::chrono::seconds(*config.stop_timeout_seconds)
                                  : kStopTimeout);
  try {
    control->ask('s', std::to_string(signal.value_or(stop_signal_of(config))));
    const auto patience_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
    if (control->wait_for_end(static_cast<int>(std::min<int64_t>(patience_ms, INT32_MAX)))) return;
    control->ask('k', std::to_string(SIGKILL));
    control->wait_for_end();
  } catch (const base::Error& e) {
    if (e.code() != base::Code::kUnavailable) throw;  // ended in between: that was wanted
  }
}

void send_signal(Containers& containers, const std::string& id, int signal) {
  std::optional<Control> control = Control::connect(containers.home(id).control());
  if (!control) throw not_running(id);
  control->ask('k', std::to_string(signal));
}

void ask(Containers& containers, const std::string& id, char request, const std::string& text) {
  std::optional<Control> control = Control::connect(containers.home(id).control());
  if (!control) throw not_running(id);
  control->ask(request, text);
}

std::optional<Control> hold(Containers& containers, const std::string& id) {
  std::optional<Control> control = Control::connect(containers.home(id).control());
  if (control) control->ask('h');
  return control;
}

int wait(Containers& containers, const std::string& id) {
  for (;;) {
    if (std::optional<Control> control = Control::connect(containers.home(id).control()))
      if (const auto status = control->wait_for_end()) return *status;
    const State state = containers.read_state(id);
    if (!containers.is_held(id)) {
      if (state.is_live()) containers.claim(id);  // mends it
      return containers.read_state(id).exit_code;
    }
    if (!state.is_live() && state.status == Status::kExited) return state.exit_code;
    // Being started, or at its last moments.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void remove_container(Containers& containers, const Claim& claim, bool volumes) {
  refuse_mounted(containers.home(claim.id));
  const Config config = containers.read(claim.id).config;
  containers.remove(claim);
  if (!volumes) return;
  for (const MountConfig& mount : config.mounts)
    if (mount.type == MountConfig::Type::kVolume && mount.anonymous)
      remove_volume(containers.store(), mount.source);
}

}  // namespace container
