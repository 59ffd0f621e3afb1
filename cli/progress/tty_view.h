#pragma once

#include <functional>
#include <string>

#include "cli/progress/build_state.h"
#include "cli/progress/screen.h"
#include "cli/progress/view.h"
#include "cli/terminal.h"

namespace cli {

/// Progress on a terminal (spec/ux.md 2): a block of rows redrawn in place, at most fifteen times a
/// second and only when something changed. Events only change the state; tick() draws.
class TtyView : public View {
 public:
  struct Options {
    std::function<Terminal()> terminal;  ///< asked before each frame: windows change their size
    std::function<bool()> resumed = {};  ///< true once after the program was stopped and continued
    bool synchronized = false;
    std::string details = {};
  };
  TtyView(Write write, Clock clock, Options options);
  /// Leaves the terminal in order, with what failed on it, also when no BuildEnd came.
  ~TtyView() override;

 protected:
  void handle(const base::Event& event, Time now) override;
  void pass(Time now) override;

 private:
  void end(const std::string& last_line, Time now);

  Options options_;
  BuildState state_;
  Screen screen_;
  bool begun_ = false;
  bool ended_ = false;
  Time drawn_{};
};

}  // namespace cli
