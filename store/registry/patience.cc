#include "store/registry/patience.h"

#include <condition_variable>
#include <ctime>
#include <mutex>
#include <random>

#include "base/text.h"
#include "store/registry/header_fields.h"

namespace registry {

namespace {

using std::chrono::milliseconds;

constexpr unsigned kMostTries = 5;
constexpr milliseconds kFirstWait{500};
constexpr milliseconds kLongestWait{16'000};
constexpr milliseconds kLongestAsked{120'000};
constexpr milliseconds kSilence{30'000};
constexpr milliseconds kLeastSilence{5'000};
constexpr uint64_t kRenewingBytes = 64 << 20;

/// Many clients that failed together must not come back together.
milliseconds with_jitter(milliseconds wait) {
  thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_int_distribution<int64_t> spread(wait.count() * 3 / 4, wait.count() * 5 / 4);
  return milliseconds(spread(random));
}

void sleep(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  if (stop.stop_requested()) throw base::Error(base::Code::kCancelled, "interrupted", "cancelled");
}

}  // namespace

Patience::Patience(std::stop_token stop, WaitNotice notice, std::string host, Retries retries)
    : stop_(std::move(stop)),
      notice_(std::move(notice)),
      host_(std::move(host)),
      retries_(retries) {}

bool Patience::wait(const std::string& why, milliseconds least) {
  if (tries_ >= retries_.most.value_or(kMostTries)) return false;
  milliseconds time =
      retries_.wait ? *retries_.wait
                    : with_jitter(std::min(kFirstWait * (1 << std::min(tries_, 8u)), kLongestWait));
  ++tries_;
  time = std::max(time, least);
  if (notice_) notice_(why, time);
  sleep(time, stop_);
  return true;
}

bool Patience::after(const TransportError& error) {
  switch (error.fault()) {
    case Fault::kCertificate:
    case Fault::kNotTls:
    case Fault::kProtocol:
      return false;
    case Fault::kResolve:
      if (tries_ >= retries_.most.value_or(1)) return false;
      break;
    case Fault::kConnect:
      if (tries_ >= retries_.most.value_or(2)) return false;
      break;
    case Fault::kSilence:
      if (retries_.most) break;
      silence_left_ -= silence();
      if (silence_left_ < kLeastSilence) return false;
      break;
    case Fault::kReset:
      break;
  }
  return wait(error.message());
}

bool Patience::after(int status, const Headers& headers) {
  bool worth_it = status == 408 || status == 429 || status == 500 || status == 502 ||
                  status == 503 || status == 504;
  if (!worth_it) return false;
  milliseconds asked{0};
  if (auto text = headers.find("retry-after"))
    if (auto seconds = parse_retry_after(*text, ::time(nullptr))) {
      if (*seconds > static_cast<uint64_t>(kLongestAsked.count() / 1000))
        throw base::Error(base::Code::kUnavailable,
                          base::str(host_, " answers ", status, " and asks to come back in ",
                                    *seconds, " seconds"),
                          "registry-busy")
            .add_help("torte waits at most two minutes by itself; try again then");
      asked = std::chrono::seconds(*seconds);
    }
  return wait(base::str(host_, " answers ", status), asked);
}

milliseconds Patience::silence() const { return std::min(kSilence, silence_left_); }

void Patience::progress(uint64_t bytes) {
  bytes_ += bytes;
  if (bytes_ < kRenewingBytes) return;
  bytes_ = 0;
  tries_ = 0;
  silence_left_ = kSilenceBudget;
}

}  // namespace registry
