#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/progress/build_state.h"
#include "cli/progress/ci_groups.h"
#include "cli/progress/view.h"

namespace cli {

/// Progress without a terminal (spec/ux.md 3). One running step owns the output: its lines appear
/// as they come. What the others print is kept; when the owner ends, the steps that ended meanwhile
/// follow as blocks, and the longest-running of the rest becomes the owner.
class PlainView : public View {
 public:
  struct Options {
    bool keep_color = false;
    bool expand_tabs = false;
    CiGroups groups = CiGroups();
    std::string details = {};
    std::chrono::seconds (*wall)() = nullptr;  ///< time of day, for GitLab's marks
  };
  PlainView(Write write, Clock clock, Options options);
  /// Prints what is still kept: a build that ends by an exception loses no line.
  ~PlainView() override;

 protected:
  void handle(const base::Event& event, Time now) override;
  void pass(Time now) override;

 private:
  /// Lines of a step that does not own the output. Beyond a limit the middle is left out.
  struct Kept {
    std::string text;
    size_t dropped_lines = 0;
  };

  void add_lines(int id, const std::vector<std::string>& lines, Time now);
  void end_step(int id, Time now);
  void print_block(int id, Time now);
  void own(int id, Time now);
  void choose_owner(Time now);
  void flush(Time now);
  void aside(std::string line, Time now);
  void print_header(int id);
  void print_footer(int id);
  void print_kept(int id);
  void say(std::string_view text, Time now);
  std::chrono::seconds wall() const;

  Options options_;
  BuildState state_;
  std::optional<int> owner_;
  std::map<int, Kept> kept_;
  std::deque<int> ended_;            ///< steps whose block waits for the owner to end
  std::vector<std::string> asides_;  ///< lines of no step that wait likewise
  std::map<std::string, Time> transfers_;
  Time last_line_{};
};

}  // namespace cli
