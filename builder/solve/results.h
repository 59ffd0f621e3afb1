#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "builder/solve/layers.h"
#include "store/store.h"

namespace solve {

/// The results of a build's steps, each made once: what the store remembers is used; what another
/// stage of this build or another process is making just now is waited for; the rest is made here
/// and published, together with others where possible, because publishing costs a sync.
/// Thread-safe.
class Results {
 public:
  /// `remember` false: what is made here serves this build alone.
  Results(store::Store& store, base::EventSink& events, std::stop_token stop, bool remember)
      : store_(store), events_(events), stop_(std::move(stop)), remember_(remember) {}

  struct Made {
    LayerPtr layer;
    store::CacheRecord record;           ///< `result`, `size_bytes` and `extra` are filled in later
    std::function<std::string()> extra;  ///< asked when the layers below have their diff ids
  };
  struct Answer {
    LayerPtr layer;
    bool cached = false;
  };
  struct Request {
    int step = 0;  ///< for events
    std::string key;
    bool forced = false;  ///< what is remembered, here or by others, will not do
    /// A last look before the work: the record of a result that is good for other reasons.
    std::function<std::optional<store::CacheRecord>()> recall;
    /// Brings the result into the store from elsewhere; null where there is no elsewhere.
    std::function<bool()> fetch;
    std::function<Made()> make;
  };

  /// Throws what `make` throws, Cancelled when it was asked to stop while it waited.
  Answer get(const Request& request);

  /// Calls `published` with each layer made here once the store has it; from whatever thread put it
  /// there.
  void on_publish(std::function<void(const oci::DiffId&)> published) {
    published_ = std::move(published);
  }
  /// Publishes what is ready.
  void publish_ready() { publish(false); }
  /// Publishes what is ready, when the oldest has waited for some seconds: a build that is killed
  /// loses little.
  void publish_if_due();
  /// Puts everything into a batch, waiting for diff ids. The batch must be committed before the
  /// value returned is destroyed: until then other processes wait for these results.
  [[nodiscard]] std::shared_ptr<void> move_to(store::Batch& batch);

  /// Bytes of the tars of the layers made and moved so far.
  uint64_t new_bytes() const { return new_bytes_; }
  /// Keys of remembered results that were used.
  std::vector<std::string> used_keys() const;

 private:
  struct Item {
    Made made;
    std::shared_ptr<store::Claim> claim;
    std::chrono::steady_clock::time_point since;
  };
  Answer find_or_make(const Request& request);
  std::optional<LayerPtr> remembered(const Request& request);
  std::shared_ptr<store::Claim> claim(const Request& request, bool& waited);
  std::vector<Item> take(bool all);
  std::shared_ptr<void> fill(store::Batch& batch, std::vector<Item> items);
  void publish(bool all);

  store::Store& store_;
  base::EventSink& events_;
  std::stop_token stop_;
  const bool remember_;
  std::function<void(const oci::DiffId&)> published_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_future<LayerPtr>> asked_;  // by key, in this build
  std::vector<Item> items_;
  std::vector<std::string> used_keys_;
  // While a thread waits for another process nothing is held back: that one may wait for us.
  std::atomic<int> waiting_{0};
  std::atomic<uint64_t> new_bytes_{0};
};

}  // namespace solve
