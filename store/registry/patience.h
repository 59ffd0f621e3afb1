#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "store/registry/http.h"

namespace registry {

/// Told before a wait: why, and how long. Called from the thread that waits.
using WaitNotice = std::function<void(const std::string& why, std::chrono::milliseconds wait)>;

/// What the user wants otherwise than it is below.
struct Retries {
  std::optional<unsigned> most =
      {};  ///< also where a name or a port leads nowhere, and after silence
  std::optional<std::chrono::milliseconds> wait = {};  ///< always as long
};

/// How often one piece of work is tried again, and after how long: five times, 0.5 s to 16 s with
/// jitter, or as the registry asks. Silence has a budget of its own, so that a server that takes
/// the connection and says nothing costs two thirds of a minute and not five times half of one.
/// [spec/security.md 7, "Time"]
class Patience {
 public:
  Patience(std::stop_token stop, WaitNotice notice, std::string host, Retries retries = {});

  /// After a try that broke off: waits and returns true, or false when it is time to give up.
  /// Throws Cancelled.
  bool after(const TransportError& error);
  /// After an answer: false at once unless its status may be better next time (408, 429, 500, 502,
  /// 503, 504). Throws Unavailable, saying when to come back, for a Retry-After above two minutes.
  bool after(int status, const Headers& headers);
  /// Waits for another try and returns true; false when there were enough. Throws Cancelled.
  bool wait(const std::string& why, std::chrono::milliseconds least = {});
  /// How long the next try may be silent.
  std::chrono::milliseconds silence() const;
  /// Bytes that will not have to be fetched again. Enough of them, and the count starts anew: a
  /// large blob over a bad line is many pieces of work.
  void progress(uint64_t bytes);

 private:
  static constexpr std::chrono::milliseconds kSilenceBudget{40'000};

  std::stop_token stop_;
  WaitNotice notice_;
  std::string host_;
  Retries retries_;
  unsigned tries_ = 0;
  uint64_t bytes_ = 0;
  std::chrono::milliseconds silence_left_{kSilenceBudget};
};

}  // namespace registry
