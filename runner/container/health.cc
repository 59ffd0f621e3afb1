#include "runner/container/health.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "runner/container/prepare.h"

namespace container {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;
constexpr nanoseconds kInterval = std::chrono::seconds(30);
constexpr nanoseconds kTimeout = std::chrono::seconds(30);
constexpr nanoseconds kStartInterval = std::chrono::seconds(5);
constexpr int64_t kRetries = 3;
constexpr size_t kMostOutput = 4096;
constexpr size_t kMostProbes = 5;

std::vector<std::string> command_of(const oci::Healthcheck& check) {
  std::vector<std::string> command(check.test.begin() + 1, check.test.end());
  if (check.test[0] == "CMD-SHELL") command.insert(command.begin(), {"/bin/sh", "-c"});
  return command;
}

}  // namespace

HealthChecks::HealthChecks(const oci::Healthcheck& check)
    : check_(check), on_(check.test.size() > 1), began_(Clock::now()) {
  auto fill = [](nanoseconds& value, nanoseconds fallback) {
    if (value.count() == 0) value = fallback;
  };
  fill(check_.interval, kInterval);
  fill(check_.timeout, kTimeout);
  fill(check_.start_interval, kStartInterval);
  if (check_.retries == 0) check_.retries = kRetries;
  schedule(true);
}

HealthChecks::~HealthChecks() = default;

void HealthChecks::schedule(bool starting) {
  const bool in_start_period =
      starting && check_.start_period.count() > 0 && Clock::now() - began_ < check_.start_period;
  next_ = Clock::now() +
          (in_start_period ? std::min(check_.start_interval, check_.interval) : check_.interval);
}

int HealthChecks::fd() const { return probe_ ? probe_->pidfd() : -1; }

std::optional<Clock::time_point> HealthChecks::deadline() const {
  if (!on_) return std::nullopt;
  return probe_ ? give_up_ : next_;
}

bool HealthChecks::work(const launch::Container& container, const Config& config, State& state) {
  if (!on_) return false;
  if (!probe_) {
    if (Clock::now() < next_) return false;
    text_.clear();
    probe_started_ = now();
    try {
      start_probe(container, config);
      return false;
    } catch (const base::Error& e) {
      text_ = e.what();
      return judge(e.exit_status() > 0 ? e.exit_status() : 1, state);
    }
  }
  read_output();
  pollfd ended = {probe_->pidfd(), POLLIN, 0};
  if (::poll(&ended, 1, 0) > 0) {
    const int code = probe_->wait().shell_status();
    read_output();
    probe_.reset();
    output_.reset();
    return judge(code, state);
  }
  if (Clock::now() < give_up_) return false;
  probe_.reset();  // kills it
  output_.reset();
  text_ = "the probe took longer than its timeout";
  return judge(-1, state);
}

void HealthChecks::start_probe(const launch::Container& container, const Config& config) {
  const sys::Root root = sys::Root::open("/proc/" + std::to_string(container.pid()) + "/root");
  launch::Spec spec = exec_spec(config, root, config.user);
  spec.argv = command_of(check_);
  sys::Pipe pipe = sys::make_pipe();
  spec.stdin_fd = -1;
  spec.stdout_fd = spec.stderr_fd = pipe.write_end.get();
  probe_.emplace(launch::join(container.pidfd(), std::move(spec)));
  output_ = std::move(pipe.read_end);
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  give_up_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(check_.timeout);
}

void HealthChecks::read_output() {
  char buffer[kMostOutput];
  ssize_t n;
  while (output_ && (n = ::read(output_.get(), buffer, sizeof buffer)) != -1) {
    if (n == 0) return output_.reset();
    text_.append(buffer, std::min(static_cast<size_t>(n),
                                  kMostOutput - std::min(kMostOutput, text_.size())));
  }
}

bool HealthChecks::judge(int exit_code, State& state) {
  state.probes.push_back({probe_started_, now(), exit_code, text_});
  if (state.probes.size() > kMostProbes) state.probes.erase(state.probes.begin());
  const bool in_start_period = !was_healthy_ && Clock::now() - began_ < check_.start_period;
  if (exit_code == 0) {
    was_healthy_ = true;
    state.failing_streak = 0;
    state.health = Health::kHealthy;
  } else if (!in_start_period) {
    ++state.failing_streak;
    if (state.failing_streak >= static_cast<uint64_t>(check_.retries))
      state.health = Health::kUnhealthy;
  }
  schedule(!was_healthy_);
  return true;
}

}  // namespace container
