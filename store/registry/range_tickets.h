#pragma once

#include <atomic>
#include <utility>

namespace registry {

/// How many ranges may be on their way beside the one that every blob may have: they wait in memory
/// for their turn, so there is a bound for all of them. May be shared by threads; must outlive its
/// tickets.
class RangeTickets {
 public:
  /// Counts as long as it lives. Move-only.
  class Ticket {
   public:
    Ticket() = default;
    explicit Ticket(RangeTickets* owner) : owner_(owner) {}
    Ticket(Ticket&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(owner_, other.owner_);
      return *this;
    }
    ~Ticket() {
      if (owner_ != nullptr) ++owner_->left_;
    }
    explicit operator bool() const { return owner_ != nullptr; }

   private:
    RangeTickets* owner_ = nullptr;
  };

  explicit RangeTickets(int count) : left_(count) {}
  RangeTickets(const RangeTickets&) = delete;
  RangeTickets& operator=(const RangeTickets&) = delete;

  /// An empty one when there are none left.
  Ticket try_take() {
    int left = left_;
    while (left > 0)
      if (left_.compare_exchange_weak(left, left - 1)) return Ticket(this);
    return {};
  }

 private:
  std::atomic<int> left_;
};

}  // namespace registry
