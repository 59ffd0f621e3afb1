#include "store/registry/blob_source.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "store/registry/header_fields.h"
#include "store/registry/range_tickets.h"

namespace registry {

namespace {

using base::Code;
using base::Error;
using Clock = std::chrono::steady_clock;

/// The first range of a large blob, and what must be left after it for pieces to pay.
constexpr uint64_t kFirstBytes = 8 << 20;
constexpr uint64_t kLeastRest = 8 << 20;
constexpr uint64_t kPieceBytes = 2 << 20;
/// A connection that gives this much a second is not what anybody waits for.
constexpr double kFastBytesPerSecond = 64 << 20;

/// Part of a blob as a stream: opens the connection when first read, and again where one broke off.
class PartSource : public base::Source {
 public:
  /// Bytes `offset` up to `end`. `strict`: a registry that ignores ranges ends it
  /// (ignores_ranges()); otherwise such a registry's answer is read up to the end of the blob.
  PartSource(Client& client, Client::Ask ask, const oci::Descriptor& blob, uint64_t offset,
             uint64_t end, bool strict)
      : client_(client),
        ask_(std::move(ask)),
        blob_(blob),
        position_(offset),
        end_(end),
        strict_(strict),
        patience_(client.patience()) {}

  size_t read(std::span<std::byte> buffer) override {
    while (!finished_) {
      if (position_ == end_ && (!exchange_ || end_ < blob_.size_bytes)) break;
      try {
        if (!exchange_) open();
        if (!exchange_) break;  // no ranges here
        size_t n = exchange_->read(buffer.first(std::min<uint64_t>(buffer.size(), wanted())));
        if (n == 0) {
          if (position_ == end_) break;
          throw TransportError(Fault::kReset, base::str("blob ", blob_.digest.str(), " ends after ",
                                                        position_, " of ", end_, " bytes"));
        }
        if (n > end_ - position_) too_long();
        position_ += n;
        patience_.progress(n);
        return n;
      } catch (const TransportError& e) {
        exchange_.reset();
        if (!patience_.after(e)) throw;
      }
    }
    finish();
    return 0;
  }

  /// The first byte that has not been read.
  uint64_t position() const { return position_; }
  /// True once the registry has answered a range with something else.
  bool ignores_ranges() const { return ignores_ranges_; }

 private:
  [[noreturn]] void too_long() const {
    throw Error(Code::kCorrupt,
                base::str("blob ", blob_.digest.str(), " is longer than the announced ",
                          blob_.size_bytes, " bytes"),
                "blob-size");
  }

  /// One byte beyond the end of a whole blob is looked for: it must not be there.
  uint64_t wanted() const { return end_ - position_ + (end_ == blob_.size_bytes ? 1 : 0); }

  // A range read to its last byte leaves a connection that can be used again.
  void finish() {
    if (!finished_ && exchange_ && position_ == end_) {
      std::byte none;
      try {
        if (exchange_->read({&none, 1}) != 0) too_long();
      } catch (const TransportError&) {
        // All that was asked for is here.
      }
    }
    finished_ = true;
    exchange_.reset();
  }

  void open() {
    Client::Ask ask = ask_;
    bool ranged = (position_ > 0 || end_ < blob_.size_bytes) && !ignores_ranges_;
    if (ranged)
      ask.headers.push_back(
          base::str("Range: bytes=", position_, "-",
                    end_ < blob_.size_bytes ? base::str(end_ - 1) : std::string()));
    auto exchange = client_.ask(ask, patience_);
    require_plain(*exchange);
    int status = exchange->status();
    if (status == 206 && ranged && continues_here(*exchange)) {
      exchange_ = std::move(exchange);
      return;
    }
    bool whole = status == 200;
    if (ranged && (status == 206 || status == 416 || whole)) {
      ignores_ranges_ = true;
      if (strict_) return;
      end_ = blob_.size_bytes;
      if (!whole) return open();
    }
    if (!whole) client_.fail(*exchange, "get blob " + blob_.digest.str());
    if (auto length = exchange->length(); length && *length != blob_.size_bytes)
      throw Error(Code::kCorrupt,
                  base::str("blob ", blob_.digest.str(), " has ", *length,
                            " bytes, the manifest announces ", blob_.size_bytes),
                  "blob-size");
    exchange_ = std::move(exchange);
    skip(position_);
  }

  void require_plain(const Exchange& exchange) const {
    auto encoding = exchange.headers().find("content-encoding");
    if (encoding && !encoding->empty() && *encoding != "identity")
      throw Error(Code::kInvalid,
                  base::str("blob ", blob_.digest.str(), ": the registry packs its answer (",
                            base::printable(*encoding, 40), "), which nobody asked for"),
                  "registry-protocol");
  }

  /// Whether a partial answer is what was asked for, or the beginning of it.
  bool continues_here(const Exchange& exchange) const {
    auto header = exchange.headers().find("content-range");
    auto range = header ? parse_content_range(*header) : std::nullopt;
    return range && range->first == position_ && range->last + 1 <= end_ &&
           range->total.value_or(blob_.size_bytes) == blob_.size_bytes;
  }

  // The registry began anew: what we have already is passed over. The digest of the whole tells
  // whether it was the same.
  void skip(uint64_t bytes) {
    std::array<std::byte, 65536> scrap;
    while (bytes > 0) {
      size_t n = exchange_->read(std::span(scrap).first(std::min<uint64_t>(bytes, scrap.size())));
      if (n == 0)
        throw TransportError(Fault::kReset, "blob " + blob_.digest.str() + " ends too early");
      bytes -= n;
    }
  }

  Client& client_;
  const Client::Ask ask_;
  const oci::Descriptor blob_;
  uint64_t position_;
  uint64_t end_;
  const bool strict_;
  Patience patience_;
  std::unique_ptr<Exchange> exchange_;
  bool ignores_ranges_ = false;
  bool finished_ = false;
};

/// A range on its way into memory, over a connection and on a thread of its own. Dropped, it waits
/// for what its thread is reading right now.
class Piece {
 public:
  Piece(std::unique_ptr<PartSource> source, uint64_t size_bytes, RangeTickets::Ticket ticket)
      : source_(std::move(source)),
        ticket_(std::move(ticket)),
        bytes_(size_bytes),
        thread_([this](const std::stop_token& stop) { fetch(stop); }) {}

  /// Waits for bytes; 0 at the end. Throws what fetching threw.
  size_t read(std::span<std::byte> buffer) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return there_ > given_ || done_; });
    size_t n = std::min<uint64_t>(buffer.size(), there_ - given_);
    if (n == 0 && error_) std::rethrow_exception(error_);
    std::memcpy(buffer.data(), bytes_.data() + given_, n);
    given_ += n;
    return n;
  }
  /// True when the registry did not give the range; some of its bytes may have been read.
  bool failed_to_range() const { return given_ < bytes_.size(); }

 private:
  void fetch(const std::stop_token& stop) {
    try {
      while (!stop.stop_requested()) {
        size_t n = source_->read(std::span(bytes_).subspan(there_));
        std::lock_guard lock(mutex_);
        there_ += n;
        done_ = n == 0 || there_ == bytes_.size();
        changed_.notify_one();
        if (done_) return;
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      done_ = true;
      changed_.notify_one();
    }
  }

  std::unique_ptr<PartSource> source_;
  RangeTickets::Ticket ticket_;
  std::vector<std::byte> bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t there_ =
      0;  ///< changed under the lock, and read without it by the thread that changes it
  uint64_t given_ = 0;
  bool done_ = false;
  std::exception_ptr error_;
  std::jthread thread_;  // last: it uses the others
};

/// A large blob: a first range, then either the rest in one, or pieces.
class LargeBlobSource : public base::Source {
 public:
  LargeBlobSource(Client& client, Client::Ask ask, const oci::Descriptor& blob, uint64_t offset)
      : client_(client),
        ask_(std::move(ask)),
        blob_(blob),
        position_(offset),
        next_(offset + kFirstBytes),
        part_(part(offset, next_, false)) {}

  size_t read(std::span<std::byte> buffer) override {
    if (buffer.empty()) return 0;
    while (position_ < blob_.size_bytes) {
      size_t n = part_ ? read_part(buffer) : read_piece(buffer);
      position_ += n;
      if (n > 0) return n;
    }
    // The end of a stream also checks that there is no more.
    return part_ ? part_->read(buffer) : 0;
  }

 private:
  std::unique_ptr<PartSource> part(uint64_t from, uint64_t to, bool strict) const {
    return std::make_unique<PartSource>(client_, ask_, blob_, from, to, strict);
  }

  size_t read_part(std::span<std::byte> buffer) {
    Clock::time_point before = Clock::now();
    size_t n = part_->read(buffer);
    waited_ += Clock::now() - before;
    if (n > 0) return n;
    // The first range is through: one that went fast is followed by the rest, on the same
    // connection.
    double seconds = std::chrono::duration<double>(waited_).count();
    if (static_cast<double>(kFirstBytes) >= kFastBytesPerSecond * seconds) {
      part_ = part(position_, blob_.size_bytes, false);
    } else {
      part_.reset();
    }
    return 0;
  }

  size_t read_piece(std::span<std::byte> buffer) {
    begin_pieces();
    size_t n = pieces_.front()->read(buffer);
    if (n > 0) return n;
    bool ranged = !pieces_.front()->failed_to_range();
    pieces_.pop_front();
    if (ranged) return 0;
    pieces_.clear();
    part_ = part(position_, blob_.size_bytes, false);
    return 0;
  }

  /// Each blob may have one piece, and more as long as there are tickets.
  void begin_pieces() {
    while (next_ < blob_.size_bytes) {
      RangeTickets::Ticket ticket;
      if (!pieces_.empty()) {
        ticket = client_.range_tickets().try_take();
        if (!ticket) return;
      }
      uint64_t end = std::min(next_ + kPieceBytes, blob_.size_bytes);
      pieces_.push_back(
          std::make_unique<Piece>(part(next_, end, true), end - next_, std::move(ticket)));
      next_ = end;
    }
  }

  Client& client_;
  const Client::Ask ask_;
  const oci::Descriptor blob_;
  uint64_t position_;  ///< of what was read
  uint64_t next_;      ///< of what has been asked for
  std::unique_ptr<PartSource> part_;
  Clock::duration waited_{0};
  std::deque<std::unique_ptr<Piece>> pieces_;
};

}  // namespace

std::unique_ptr<base::Source> open_blob_source(Client& client, Client::Ask ask,
                                               const oci::Descriptor& blob, uint64_t offset) {
  if (blob.size_bytes > offset && blob.size_bytes - offset > kFirstBytes + kLeastRest)
    return std::make_unique<LargeBlobSource>(client, std::move(ask), blob, offset);
  return std::make_unique<PartSource>(client, std::move(ask), blob, offset, blob.size_bytes, false);
}

}  // namespace registry
