#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/events.h"
#include "cli/progress/sanitize.h"

namespace cli {

/// Time since a fixed point, from the clock of the view.
using Time = std::chrono::microseconds;

/// What a view knows about one step.
struct StepState {
  enum class Phase { kPlanned, kWaiting, kRunning, kFinished };

  explicit StepState(LineSanitizer::Options options) : out(options), err(options) {}

  int id = 0;
  std::string stage = {};
  int index = 0;
  int count = 0;
  std::string text = {};  ///< one safe line
  Phase phase = Phase::kPlanned;
  std::string waiting_for = {};
  Time since{};  ///< start of running or waiting
  Time ended{};
  base::event::StepResult result = base::event::StepResult::kDone;
  int exit_status = 0;
  std::string error = {};
  LineSanitizer out;
  LineSanitizer err;
  std::deque<std::string> tail = {};  ///< the last complete lines, safe to show
  size_t lines = 0;                   ///< complete lines so far

  /// "build 3/6"; "step 4" when the plan never named it.
  std::string label() const;
  Time elapsed(Time now) const { return (phase == Phase::kFinished ? ended : now) - since; }
  bool failed() const {
    return phase == Phase::kFinished && result == base::event::StepResult::kFailed;
  }
};

struct TransferState {
  std::string id;
  std::string what;
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;
  Time since{};
};

/// The events of a build, added up: what every view except JSON reads from. One thread at a time.
class BuildState {
 public:
  /// `tail_lines` complete lines are kept of each step.
  BuildState(LineSanitizer::Options options, size_t tail_lines)
      : options_(options), tail_lines_(tail_lines) {}

  /// Takes in one event. Returns the lines of output it completed, safe to show.
  std::vector<std::string> apply(const base::Event& event, Time now);

  const std::map<int, StepState>& steps() const { return steps_; }
  const StepState& step(int id) const { return steps_.at(id); }
  const std::vector<TransferState>& transfers() const { return transfers_; }
  const std::vector<base::event::Warning>& warnings() const { return warnings_; }
  const base::event::BuildStart& start() const { return start_; }
  Time started() const { return started_; }
  size_t planned() const;
  size_t finished() const { return finished_; }
  size_t cached() const { return cached_; }

 private:
  StepState& at(int id);
  std::vector<std::string> keep(StepState& step, std::vector<std::string> lines);
  std::vector<std::string> end(const base::event::StepEnd& event, Time now);
  void transfer(const base::event::Transfer& event, Time now);

  LineSanitizer::Options options_;
  size_t tail_lines_;
  bool begun_ = false;
  Time started_{};
  base::event::BuildStart start_;
  std::map<int, StepState> steps_;
  std::vector<TransferState> transfers_;
  std::vector<base::event::Warning> warnings_;
  size_t finished_ = 0;
  size_t cached_ = 0;
};

/// "app:dev  9f31c0a2d4e5  84.2 MiB (3.1 MiB new)  12.3s  6 of 14 cached  2 warnings"; `details` is
/// appended when not empty.
std::string summary_line(const base::event::BuildEnd& end, Time elapsed, std::string_view details);
/// "warning: Recipe:3: text  [StageNameCasing]".
std::string warning_line(const base::event::Warning& warning);
/// "not cached: changed input source app.c: 1c9e -> 77b0".
std::string miss_line(const base::event::CacheMiss& miss);
/// Text of any origin on one safe line: line breaks and runs of blanks become one blank.
std::string one_line(std::string_view text);

}  // namespace cli
