#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/sys/fd.h"

namespace store {

/// Has the kernel write to the disk, beside the work that goes on, what a Batch will have to make
/// durable, so that its commit has little left to wait for: the kernel itself would begin only when
/// a tenth of the memory waits to be written. Promises nothing; that is the commit's part. Any
/// thread. [spec/performance.md 2.2, publish]
class EarlySync {
 public:
  /// `root`: a directory of the file system; must outlive this.
  explicit EarlySync(const sys::UniqueFd& root) : root_(root) {}
  EarlySync(const EarlySync&) = delete;
  EarlySync& operator=(const EarlySync&) = delete;

  /// So much more was written that will not be removed again soon.
  void wrote(uint64_t bytes);

 private:
  void start();
  void work(const std::stop_token& stop);

  const sys::UniqueFd& root_;
  sys::UniqueFd own_;
  std::atomic<uint64_t> unsynced_ = 0;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool wanted_ = false;
  std::jthread thread_;  ///< once there was need of it; last member: joins before the rest goes
};

}  // namespace store
