#include "cli/build/early_push.h"

#include <functional>
#include <utility>

#include "base/error.h"
#include "cli/images/push.h"

namespace cli {

EarlyPush::EarlyPush(store::Store& store, Registries& registries,
                     std::vector<oci::Reference> destinations, Packing packing,
                     TransferOptions options)
    : store_(store),
      registries_(registries),
      destinations_(std::move(destinations)),
      packing_(packing),
      options_(std::move(options)),
      link_(options_.stop, [this] { stop_.request_stop(); }) {
  options_.stop = stop_.get_token();
  thread_ = std::jthread([this] { work(); });
}

EarlyPush::~EarlyPush() {
  stop_.request_stop();
  finish();
}

void EarlyPush::add(const oci::DiffId& layer) {
  std::lock_guard lock(mutex_);
  layers_.push_back(layer);
  changed_.notify_one();
}

void EarlyPush::finish() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void EarlyPush::work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_ || !layers_.empty(); });
    if (ended_) return;
    oci::DiffId layer = std::move(layers_.front());
    layers_.pop_front();
    lock.unlock();
    for (const oci::Reference& destination : destinations_) {
      try {
        push_layer(store_, registries_, registries_.repository(destination), layer, packing_,
                   options_);
      } catch (const base::Error&) {
        // The push will meet it too, and say so.
      }
    }
  }
}

}  // namespace cli
