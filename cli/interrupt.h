#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace cli {

/// Turns the first SIGINT, SIGTERM or SIGHUP into a stop request, so that work can clean up; the
/// second one ends the program at once. Make it before any other thread starts: it blocks the
/// signals in the calling thread and those made after it. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  std::stop_token token() const { return source_.get_token(); }
  /// Number of the signal that asked, or 0.
  int signal() const { return signal_; }

 private:
  std::stop_source source_;
  std::atomic<int> signal_{0};
  std::jthread watcher_;
};

}  // namespace cli
