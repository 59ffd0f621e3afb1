#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "runner/container/state.h"
#include "runner/launch/launch.h"

namespace container {

/// Probes a running container by running a command in it, again and again, and draws the
/// conclusion: starting, healthy, unhealthy. Never blocks longer than starting a program takes.
/// Lives as long as one run of the container; one thread. [docker's HEALTHCHECK]
class HealthChecks {
 public:
  explicit HealthChecks(const oci::Healthcheck& check);
  ~HealthChecks();
  /// False for {"NONE"} and for a check without a command.
  bool is_on() const { return on_; }
  /// Readable when the running probe ended, or said something; -1: none runs.
  int fd() const;
  int output_fd() const { return output_.get(); }
  /// When work() has to be called at the latest; nullopt: never.
  std::optional<std::chrono::steady_clock::time_point> deadline() const;
  /// Starts a probe that is due, ends one that takes too long, judges one that ended. True when
  /// `state` changed.
  bool work(const launch::Container& container, const Config& config, State& state);

 private:
  void start_probe(const launch::Container& container, const Config& config);
  bool judge(int exit_code, State& state);
  void read_output();
  void schedule(bool starting);

  oci::Healthcheck check_;
  bool on_;
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point next_;
  std::chrono::steady_clock::time_point give_up_;
  bool was_healthy_ = false;
  std::optional<launch::Container> probe_;
  sys::UniqueFd output_;
  std::string text_;
  Time probe_started_ = {};
};

}  // namespace container
