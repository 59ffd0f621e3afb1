#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/progress/build_state.h"
#include "cli/progress/view.h"

namespace cli {

/// "done", "cached", "failed" or "cancelled": what documents and records call it.
const char* result_name(base::event::StepResult result);
/// "fetch", "queued", "run" or "commit".
const char* phase_name(base::event::StepPhase::Phase phase);

/// One JSON object a line for each event: docs/progress-json.md, version 1. Adding fields and types
/// is allowed, changing them is not.
class JsonView : public View {
 public:
  JsonView(Write write, Clock clock);

 protected:
  void handle(const base::Event& event, Time now) override;

 private:
  struct Document;  // keeps the JSON header out of ours

  void print(Document& document, Time at);
  void print_plan();
  void print_log(const base::event::StepLog& log, Time now);
  void flush_log(int step, Time now);
  void print_end(const base::event::StepEnd& end, Time now);
  bool too_soon(const base::event::Transfer& transfer, Time now);

  BuildState state_;
  bool begun_ = false;
  Time start_{};
  std::vector<base::event::StepPlanned> plan_;  ///< steps in a row become one event
  Time plan_at_{};
  std::map<std::pair<int, bool>, std::string> partial_;  ///< split UTF-8, by step and stream
  std::map<std::string, Time> transfers_;                ///< when each was last told
};

}  // namespace cli
