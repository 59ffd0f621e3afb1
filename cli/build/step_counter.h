#pragma once

#include <atomic>
#include <functional>
#include <utility>
#include <variant>

#include "base/events.h"

namespace cli {

/// Passes events on and counts steps, so that the summary of a build that failed is right too.
/// Steps of a second platform are numbered after those of the first.
class StepCounter : public base::EventSink {
 public:
  explicit StepCounter(base::EventSink& next) : next_(next) {}
  void set_offset(int offset) { offset_ = offset; }
  /// Which warnings of the work itself the recipe wants; set before the work starts.
  void set_filter(std::function<bool(const base::event::Warning&)> wants) {
    wants_ = std::move(wants);
  }
  void emit(const base::Event& event) override {
    const auto* warning = std::get_if<base::event::Warning>(&event);
    if (warning != nullptr && wants_ && !wants_(*warning)) return;
    base::Event shifted = event;
    std::visit(
        [&](auto& each) {
          if constexpr (requires { each.step; }) each.step += offset_;
        },
        shifted);
    if (const auto* end = std::get_if<base::event::StepEnd>(&event)) {
      ++steps_;
      if (end->result == base::event::StepResult::kCached) ++cached_;
    }
    if (warning != nullptr) ++warnings_;
    next_.emit(shifted);
  }
  int steps() const { return steps_; }
  int cached() const { return cached_; }
  /// Of the work itself, beside those of the recipe.
  int warnings() const { return warnings_; }

 private:
  base::EventSink& next_;
  std::function<bool(const base::event::Warning&)> wants_;
  std::atomic<int> offset_{0};
  std::atomic<int> steps_{0};
  std::atomic<int> cached_{0};
  std::atomic<int> warnings_{0};
};

}  // namespace cli
