#pragma once

#include <functional>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/events.h"
#include "cli/progress/build_state.h"

namespace cli {

/// Where a view writes: whole pieces of text, in order. Must not throw.
using Write = std::function<void(std::string_view)>;
/// The clock of a view; tests give their own.
using Clock = std::function<Time()>;

/// A reader of the event stream. emit() and tick() may be called from any thread; one at a time
/// gets through. Views never start threads: whoever owns one calls tick() about fifteen times a
/// second.
class View : public base::EventSink {
 public:
  View(Write write, Clock clock) : write_(std::move(write)), clock_(std::move(clock)) {}

  void emit(const base::Event& event) final {
    std::lock_guard lock(mutex_);
    handle(event, clock_());
  }
  void tick() {
    std::lock_guard lock(mutex_);
    pass(clock_());
  }

 protected:
  virtual void handle(const base::Event& event, Time now) = 0;
  /// Time went by.
  virtual void pass(Time) {}
  void write(std::string_view text) const { write_(text); }
  Time now() const { return clock_(); }

 private:
  Write write_;
  Clock clock_;
  std::mutex mutex_;
};

}  // namespace cli
