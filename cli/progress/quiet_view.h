#pragma once

#include <deque>
#include <map>
#include <string>

#include "cli/progress/build_state.h"
#include "cli/progress/view.h"

namespace cli {

/// Says nothing unless a step fails; then what that step printed (its end, when it was long).
class QuietView : public View {
 public:
  QuietView(Write write, Clock clock, LineSanitizer::Options options);

 protected:
  void handle(const base::Event& event, Time now) override;

 private:
  BuildState state_;
};

}  // namespace cli
