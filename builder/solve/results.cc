#include "builder/solve/results.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/text.h"

namespace solve {

namespace {

// A lock cannot be waited for together with a stop token.
constexpr std::chrono::milliseconds kClaimPoll{20};

// Counts a thread for as long as it lives.
class Counted {
 public:
  explicit Counted(std::atomic<int>& count) : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::atomic<int>& count_;
};

}  // namespace

Results::Answer Results::get(const Request& request) {
  std::promise<LayerPtr> promise;
  std::shared_future<LayerPtr> other;
  {
    std::lock_guard lock(mutex_);
    auto [place, first] = asked_.try_emplace(request.key);
    if (first)
      place->second = promise.get_future().share();
    else
      other = place->second;
  }
  if (other.valid()) return {other.get(), true};
  try {
    Answer answer = find_or_make(request);
    promise.set_value(answer.layer);
    return answer;
  } catch (...) {
    promise.set_exception(std::current_exception());
    throw;
  }
}

std::optional<LayerPtr> Results::remembered(const Request& request) {
  std::optional<store::CacheRecord> record = store_.find_cache(request.key);
  if (!record) return std::nullopt;
  std::lock_guard lock(mutex_);
  used_keys_.push_back(request.key);
  return LayerHandle::remembered(*record->result,
                                 std::chrono::system_clock::to_time_t(record->created));
}

Results::Answer Results::find_or_make(const Request& request) {
  std::shared_ptr<store::Claim> held;
  if (!request.forced) {
    if (auto layer = remembered(request)) return {*layer, true};
    bool waited = false;
    held = claim(request, waited);
    if (waited)
      if (auto layer = remembered(request)) return {*layer, true};
    if (std::optional<store::CacheRecord> record = request.recall()) {
      LayerPtr layer = LayerHandle::remembered(
          *record->result, std::chrono::system_clock::to_time_t(record->created));
      std::lock_guard lock(mutex_);
      std::string extra = std::move(record->extra);
      items_.push_back({{layer, std::move(*record), [extra] { return extra; }},
                        std::move(held),
                        std::chrono::steady_clock::now()});
      return {std::move(layer), true};
    }
    if (request.fetch && request.fetch())
      if (auto layer = remembered(request)) return {*layer, true};
  }
  Made made = request.make();
  LayerPtr layer = made.layer;
  {
    std::lock_guard lock(mutex_);
    items_.push_back({std::move(made), std::move(held), std::chrono::steady_clock::now()});
  }
  if (waiting_ > 0) publish(true);
  return {std::move(layer), false};
}

std::shared_ptr<store::Claim> Results::claim(const Request& request, bool& waited) {
  const std::string name = "step-" + request.key;
  const auto try_claim = [&]() -> std::shared_ptr<store::Claim> {
    auto claim = store::Claim::try_acquire(store_.layout(), name);
    return claim ? std::make_shared<store::Claim>(std::move(*claim)) : nullptr;
  };
  std::shared_ptr<store::Claim> claim = try_claim();
  if (claim) return claim;
  waited = true;
  events_.emit(base::event::StepWait{request.step, "another build that runs the same step"});
  Counted counted(waiting_);
  publish(true);
  while (!(claim = try_claim())) {
    if (stop_.stop_requested())
      throw base::Error(base::Code::kCancelled, "build cancelled", "cancelled");
    std::this_thread::sleep_for(kClaimPoll);
  }
  return claim;
}

std::vector<Results::Item> Results::take(bool all) {
  std::lock_guard lock(mutex_);
  std::vector<Item> taken;
  std::vector<Item> later;
  for (Item& item : items_)
    (all || item.made.layer->is_hashed() ? taken : later).push_back(std::move(item));
  items_ = std::move(later);
  return taken;
}

std::shared_ptr<void> Results::fill(store::Batch& batch, std::vector<Item> items) {
  for (Item& item : items) {
    LayerPtr& layer = item.made.layer;
    store::CacheRecord& record = item.made.record;
    record.result = layer->diff_id();
    if (item.made.extra) record.extra = item.made.extra();
    if (layer->is_new()) {
      store::NewLayer added{layer->record(), layer->tree(store_)->path()};
      record.size_bytes = added.record.tar_size_bytes;
      new_bytes_ += record.size_bytes;
      for (const std::string& path : layer->left_out())
        events_.emit(base::event::Warning{
            "LeftOut",
            base::str("/", base::printable(path, 200),
                      ": in images this name says that another file is gone, so it is left out"),
            {},
            false});
      batch.add_layer(std::move(added));
    }
    if (remember_) batch.add_cache(std::move(record));
  }
  return std::make_shared<std::vector<Item>>(std::move(items));
}

void Results::publish(bool all) {
  std::vector<Item> items = take(all);
  if (items.empty()) return;
  std::vector<oci::DiffId> made;
  for (const Item& item : items)
    if (item.made.layer->is_new()) made.push_back(item.made.layer->diff_id());
  store::Batch batch = store_.batch();
  std::shared_ptr<void> claims = fill(batch, std::move(items));
  batch.commit();
  if (published_) std::for_each(made.begin(), made.end(), published_);
}

void Results::publish_if_due() {
  constexpr std::chrono::seconds kLongestWait{5};
  bool due = false;
  {
    std::lock_guard lock(mutex_);
    auto now = std::chrono::steady_clock::now();
    due = std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
      return now - item.since > kLongestWait && item.made.layer->is_hashed();
    });
  }
  if (due) publish(false);
}

std::shared_ptr<void> Results::move_to(store::Batch& batch) { return fill(batch, take(true)); }

std::vector<std::string> Results::used_keys() const {
  std::lock_guard lock(mutex_);
  return used_keys_;
}

}  // namespace solve
