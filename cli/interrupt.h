#pragma once

#include <atomic>
#include <chrono>
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
  /// Asks to stop by itself when that time is over. Once.
  void stop_after(std::chrono::milliseconds time);
  /// Whether it was that which asked.
  bool timed_out() const { return timed_out_; }

 private:
  std::stop_source source_;
  std::atomic<int> signal_{0};
  std::atomic<bool> timed_out_{false};
  std::jthread watcher_;
  std::jthread timer_;
};

}  // namespace cli
