#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace base {

/// A value that can only be reached with its mutex held:
///   Synchronized<State> state;  state.lock()->count++;
template <typename T>
class Synchronized {
 public:
  template <typename... Args>
  explicit Synchronized(Args&&... args) : value_(std::forward<Args>(args)...) {}

  class Lock {
   public:
    explicit Lock(Synchronized& owner) : owner_(owner), lock_(owner.mutex_) {}
    T* operator->() { return &owner_.value_; }
    T& operator*() { return owner_.value_; }
    /// Waits until `ready(value)`; the mutex is released meanwhile.
    template <typename Ready>
    void wait(Ready ready) {
      owner_.changed_.wait(lock_, [&] { return ready(owner_.value_); });
    }

   private:
    Synchronized& owner_;
    std::unique_lock<std::mutex> lock_;
  };

  Lock lock() { return Lock(*this); }
  void notify_all() { changed_.notify_all(); }

 private:
  T value_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace base
