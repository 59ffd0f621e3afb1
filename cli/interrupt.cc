#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>

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

Interrupt::~Interrupt() {
  watcher_.request_stop();
  pthread_kill(watcher_.native_handle(), kWake);
}

}  // namespace cli
