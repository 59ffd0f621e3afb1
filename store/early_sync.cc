#include "store/early_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

namespace store {

namespace {

/// Less is not worth a commit of the file system's journal; more leaves the commit too much.
constexpr uint64_t kEnough = 32 << 20;

}  // namespace

void EarlySync::wrote(uint64_t bytes) {
  if (unsynced_.fetch_add(bytes, std::memory_order_relaxed) + bytes < kEnough) return;
  std::lock_guard lock(mutex_);
  if (!thread_.joinable()) start();
  wanted_ = true;
  changed_.notify_one();
}

// Write-backs that fail are told once to each open file that asks: on the descriptor of the commit
// nothing may be asked for here, or the commit would not hear of them.
void EarlySync::start() {
  own_ = sys::UniqueFd(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own_) base::throw_errno("open the store's directory");
  thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

void EarlySync::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return wanted_; }) && !stop.stop_requested()) {
    wanted_ = false;
    unsynced_.store(0, std::memory_order_relaxed);
    lock.unlock();
    ::syncfs(own_.get());  // what fails is told to the commit, on its own descriptor
    lock.lock();
  }
}

}  // namespace store
