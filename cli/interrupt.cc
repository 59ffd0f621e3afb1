#include "cli/interrupt.h"

#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <mutex>

namespace cli {

namespace {
constexpr int kWake = SIGURG;  // harmless to everyone else: ignored by default
}

Interrupt::Interrupt() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGINT, SIGTERM, SIGHUP, kWake}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  watcher_ = std::jthread([this, set](std::stop_token ended) {
    while (!ended.stop_requested()) {
      int number = sigwaitinfo(&set, nullptr);
      if (number <= 0 || number == kWake) continue;
      if (signal_ != 0) _exit(128 + number);  // everything we started dies with us
      signal_ = number;
      source_.request_stop();
    }
  });
}

void Interrupt::stop_after(std::chrono::milliseconds time) {
  timer_ = std::jthread([this, time](const std::stop_token& ended) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, ended, time, [] { return false; });
    if (ended.stop_requested() || source_.stop_requested()) return;
    timed_out_ = true;
    source_.request_stop();
  });
}

Interrupt::~Interrupt() {
  watcher_.request_stop();
  pthread_kill(watcher_.native_handle(), kWake);
}

}  // namespace cli
