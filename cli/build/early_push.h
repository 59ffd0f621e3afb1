#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "cli/images/registries.h"
#include "cli/images/transfer.h"

namespace cli {

/// Sends layers of a build to where the image will be pushed, while later steps run. It is only
/// ever a head start: what fails or is left over is sent, or told, by the push itself.
/// [spec/cli.md 1.1, registry]
class EarlyPush {
 public:
  /// The store and the registries must outlive it.
  EarlyPush(store::Store& store, Registries& registries, std::vector<oci::Reference> destinations,
            Packing packing, TransferOptions options);
  EarlyPush(const EarlyPush&) = delete;
  EarlyPush& operator=(const EarlyPush&) = delete;
  /// Breaks off what is on its way, unless finish() was called.
  ~EarlyPush();

  /// A layer that is in the store. Any thread.
  void add(const oci::DiffId& layer);
  /// Waits for what is on its way; what waited for its turn is left to the push.
  void finish();

 private:
  void work();

  store::Store& store_;
  Registries& registries_;
  const std::vector<oci::Reference> destinations_;
  const Packing packing_;
  TransferOptions options_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> link_;  ///< the caller's stop is ours
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<oci::DiffId> layers_;
  bool ended_ = false;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace cli
