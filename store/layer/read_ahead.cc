#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "store/layer/compression.h"

namespace layer {

namespace {

constexpr size_t kPiece = 1 << 20;
constexpr size_t kPieces = 4;

/// A ring of buffers between one reading thread and the caller.
class ReadAhead : public base::Source {
 public:
  explicit ReadAhead(base::Source& source)
      : source_(source), reader_([this](std::stop_token stop) { fill(stop); }) {}

  size_t read(std::span<std::byte> buffer) override {
    if (given_ == current_.size() && !take()) return 0;
    size_t n = std::min(buffer.size(), current_.size() - given_);
    std::memcpy(buffer.data(), current_.data() + given_, n);
    given_ += n;
    return n;
  }

 private:
  // Waits for the next buffer; false at the end.
  bool take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !ready_.empty() || ended_; });
    if (ready_.empty()) {
      if (error_) std::rethrow_exception(error_);
      return false;
    }
    if (current_.capacity() > 0) spare_.push_back(std::move(current_));
    current_ = std::move(ready_.front());
    ready_.pop_front();
    given_ = 0;
    changed_.notify_all();
    return true;
  }

  void fill(std::stop_token stop) {
    std::exception_ptr error;
    try {
      while (read_piece(stop)) {
      }
    } catch (...) {
      error = std::current_exception();
    }
    std::lock_guard lock(mutex_);
    error_ = error;
    ended_ = true;
    changed_.notify_all();
  }

  bool read_piece(std::stop_token stop) {
    std::vector<std::byte> piece;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return ready_.size() < kPieces; });
      if (stop.stop_requested()) return false;
      if (!spare_.empty()) {
        piece = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    piece.resize(kPiece);
    piece.resize(base::read_full(source_, piece));
    if (piece.empty()) return false;
    std::lock_guard lock(mutex_);
    ready_.push_back(std::move(piece));
    changed_.notify_all();
    return true;
  }

  base::Source& source_;
  std::vector<std::byte> current_;
  size_t given_ = 0;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::vector<std::byte>> ready_;
  std::vector<std::vector<std::byte>> spare_;
  std::exception_ptr error_;
  bool ended_ = false;
  std::jthread reader_;  // last member: joins before the rest goes
};

}  // namespace

std::unique_ptr<base::Source> read_ahead(base::Source& source) {
  return std::make_unique<ReadAhead>(source);
}

}  // namespace layer
