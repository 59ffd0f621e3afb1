// gzip in parallel, with the same bytes at any number of threads.
//
// The input is cut into pieces of exactly 1 MiB (the last one shorter). Each piece is deflated by a
// fresh encoder that was given the 32 KiB before the piece as a dictionary, and ends on a byte
// boundary by a sync flush, so the outputs simply follow one another. Within a piece the same goes
// for runs of what is worth the effort and what is not:
//
//   header | piece 0 ... sync | piece 1 ... sync | last piece, final block | crc32 | size
//
// An encoder that runs on across calls would give different bytes for different sizes of its input
// and output buffers; so a piece is one call, with room for the worst case.

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <span>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/compression.h"

namespace layer {

namespace {

constexpr size_t kPiece = 1 << 20;
constexpr size_t kWindow = 32 << 10;

// Stored blocks cost 5 bytes per 64 KiB; the rest is for block headers and the flush.
constexpr size_t worst_case(size_t size) { return size + size / 16 + 4096; }

// Bytes in memory that nobody clears before they are written.
class Output {
 public:
  void reserve(size_t capacity) {
    bytes_ = std::make_unique_for_overwrite<uint8_t[]>(capacity);
    capacity_ = capacity;
  }
  std::span<uint8_t> room() { return {bytes_.get() + size_, capacity_ - size_}; }
  void grow(size_t size) {
    CHECK(size <= capacity_ - size_);
    size_ += size;
  }
  void append(std::span<const uint8_t> bytes) {
    const std::span<uint8_t> place = room();
    grow(bytes.size());
    std::copy(bytes.begin(), bytes.end(), place.begin());
  }
  base::Bytes bytes() const { return std::as_bytes(std::span(bytes_.get(), size_)); }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;
  size_t size_ = 0;
};

struct Piece {
  std::vector<uint8_t> input;  // up to kWindow bytes of history, then the piece
  size_t history = 0;
  bool last = false;
  Output output;
  uint32_t crc = 0;
  bool done = false;
  std::exception_ptr error;
};

// zlib's bound leaves out the empty block of a flush.
constexpr size_t kFlush = 16;

void deflate_by_zlib(Piece& piece, int level) {
  auto end = [](z_stream* stream) { deflateEnd(stream); };
  z_stream memory = {};
  constexpr int kRawWindow = -15, kMemory = 8;
  CHECK(deflateInit2(&memory, level, Z_DEFLATED, kRawWindow, kMemory, Z_DEFAULT_STRATEGY) == Z_OK);
  std::unique_ptr<z_stream, decltype(end)> stream(&memory, end);
  if (piece.history > 0)
    CHECK(deflateSetDictionary(stream.get(), piece.input.data(),
                               static_cast<uInt>(piece.history)) == Z_OK);
  size_t size = piece.input.size() - piece.history;
  piece.output.reserve(deflateBound(stream.get(), size) + kFlush);
  const std::span<uint8_t> room = piece.output.room();
  stream->next_in = piece.input.data() + piece.history;
  stream->avail_in = static_cast<uInt>(size);
  stream->next_out = room.data();
  stream->avail_out = static_cast<uInt>(room.size());
  int status = deflate(stream.get(), piece.last ? Z_FINISH : Z_SYNC_FLUSH);
  CHECK(status == (piece.last ? Z_STREAM_END : Z_OK) && stream->avail_in == 0 &&
        stream->avail_out > 0);
  piece.output.grow(room.size() - stream->avail_out);
}

// What was compressed or encrypted before looks like chance, and no effort makes it smaller: a
// sample of every 16 KiB tells. Text beside it packs better, too, with codes of its own.
constexpr size_t kCell = 16 << 10;

// Whether all bytes are about equally frequent: then the sum of the squares is near its least.
bool looks_random(std::span<const uint8_t> cell) {
  constexpr size_t kSpan = 64, kStride = 1024;
  if (cell.size() < kCell) return false;
  uint32_t counts[256] = {};
  auto squares = [&] {
    return std::accumulate(std::begin(counts), std::end(counts), 0u,
                           [](uint32_t sum, uint32_t count) { return sum + count * count; });
  };
  for (size_t at = 0; at < kCell; at += kStride) {
    for (uint8_t byte : cell.subspan(at, kSpan)) ++counts[byte];
    if (at == 0 && squares() > 4 * kSpan) return false;  // most of what is not is far from it
  }
  constexpr uint32_t kSamples = kCell / kStride * kSpan;
  constexpr uint32_t kExpected = kSamples + kSamples * (kSamples - 1) / 256;
  return squares() < kExpected + kExpected / 12;  // more than four standard deviations
}

// Packs the runs of one piece. Every run ends on a byte boundary.
class RunDeflater {
 public:
  explicit RunDeflater(Piece& piece) : piece_(piece), level_buffer_(ISAL_DEF_LVL2_DEFAULT) {}

  // As it is, in stored blocks.
  void store(size_t from, size_t to, bool last) {
    constexpr size_t kMost = 0xffff;
    while (from < to) {
      const size_t size = std::min(to - from, kMost);
      const auto length = static_cast<uint16_t>(size), check = static_cast<uint16_t>(~length);
      const uint8_t header[] = {static_cast<uint8_t>(last && from + size == to),
                                static_cast<uint8_t>(length), static_cast<uint8_t>(length >> 8),
                                static_cast<uint8_t>(check), static_cast<uint8_t>(check >> 8)};
      piece_.output.append(header);
      piece_.output.append(std::span(piece_.input).subspan(from, size));
      from += size;
    }
  }

  void deflate(size_t history, size_t from, size_t to, bool last) {
    isal_deflate_init(&stream_);
    stream_.level = 2;
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<uint32_t>(level_buffer_.size());
    stream_.gzip_flag = IGZIP_DEFLATE;
    if (history > 0) {
      int status = isal_deflate_set_dict(&stream_, piece_.input.data() + from - history,
                                         static_cast<uint32_t>(history));
      CHECK(status == COMP_OK);
    }
    const std::span<uint8_t> room = piece_.output.room();
    stream_.flush = last ? NO_FLUSH : SYNC_FLUSH;
    stream_.end_of_stream = last ? 1 : 0;
    stream_.next_in = piece_.input.data() + from;
    stream_.avail_in = static_cast<uint32_t>(to - from);
    stream_.next_out = room.data();
    stream_.avail_out = static_cast<uint32_t>(room.size());
    int status = isal_deflate(&stream_);
    CHECK(status == COMP_OK && stream_.avail_in == 0 && stream_.avail_out > 0);
    piece_.output.grow(room.size() - stream_.avail_out);
  }

 private:
  Piece& piece_;
  std::vector<uint8_t> level_buffer_;
  isal_zstream stream_;
};

// Cells of one kind that follow one another are one run.
void deflate_by_isal(Piece& piece) {
  const std::span<const uint8_t> input = piece.input;
  piece.output.reserve(worst_case(input.size() - piece.history));
  const auto deflater = std::make_unique<RunDeflater>(piece);
  auto is_random = [&](size_t at) {
    return looks_random(input.subspan(at, std::min(kCell, input.size() - at)));
  };
  size_t history = piece.history;
  size_t from = piece.history;
  do {
    const bool random = from < input.size() && is_random(from);
    size_t to = std::min(from + kCell, input.size());
    while (to < input.size() && is_random(to) == random) to = std::min(to + kCell, input.size());
    const bool last = piece.last && to == input.size();
    if (random)
      deflater->store(from, to, last);
    else if (last || from < to)
      deflater->deflate(history, from, to, last);
    // Nothing is found again in chance.
    history = random && to - from >= kWindow ? 0 : std::min(to, kWindow);
    from = to;
  } while (from < input.size());
}

void deflate_piece(Piece& piece, std::optional<int> level) {
  if (level)
    deflate_by_zlib(piece, *level);
  else
    deflate_by_isal(piece);
  piece.crc =
      crc32_gzip_refl(0, piece.input.data() + piece.history, piece.input.size() - piece.history);
}

class GzipSink : public CompressSink {
 public:
  GzipSink(base::Sink& out, unsigned threads, std::optional<int> level) : out_(out), level_(level) {
    if (threads == 0) threads = std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
    window_ = threads == 1 ? 0 : threads * 2;
    for (unsigned i = 0; threads > 1 && i < threads; ++i)
      workers_.emplace_back([this](std::stop_token stop) { work(stop); });
    static constexpr uint8_t kHeader[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
    out_.write(std::as_bytes(std::span(kHeader)));
    next_ = new_piece(nullptr);
  }

  void write(base::Bytes bytes) override {
    while (!bytes.empty()) {
      size_t n = std::min(bytes.size(), kPiece - (next_->input.size() - next_->history));
      auto* begin = reinterpret_cast<const uint8_t*>(bytes.data());
      next_->input.insert(next_->input.end(), begin, begin + n);
      bytes = bytes.subspan(n);
      if (next_->input.size() - next_->history == kPiece) {
        std::unique_ptr<Piece> following = new_piece(next_.get());
        submit(std::move(next_));
        next_ = std::move(following);
      }
    }
  }

  void finish() override {
    next_->last = true;
    submit(std::move(next_));
    while (!queue_.empty()) collect();
    uint32_t size = static_cast<uint32_t>(total_);
    std::vector<uint8_t> trailer;
    for (uint32_t value : {crc_, size})
      for (int shift = 0; shift < 32; shift += 8)
        trailer.push_back(static_cast<uint8_t>(value >> shift));
    out_.write(std::as_bytes(std::span(trailer)));
  }

 private:
  static std::unique_ptr<Piece> new_piece(const Piece* before) {
    auto piece = std::make_unique<Piece>();
    piece->input.reserve(kWindow + kPiece);
    if (before != nullptr) {
      piece->history = kWindow;
      piece->input.assign(before->input.end() - kWindow, before->input.end());
    }
    return piece;
  }

  void submit(std::unique_ptr<Piece> piece) {
    if (workers_.empty()) {
      deflate_piece(*piece, level_);
      piece->done = true;
    }
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(piece));
    }
    changed_.notify_all();
    while (queue_.size() > window_) collect();
  }

  // Writes the oldest piece when it is ready. Only the caller's thread adds and removes pieces.
  void collect() {
    std::unique_ptr<Piece> piece;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return queue_.front()->done; });
      piece = std::move(queue_.front());
      queue_.pop_front();
      if (workers_.size() > 0) --started_;
    }
    if (piece->error) std::rethrow_exception(piece->error);
    size_t size = piece->input.size() - piece->history;
    crc_ = static_cast<uint32_t>(crc32_combine(crc_, piece->crc, static_cast<long>(size)));
    total_ += size;
    out_.write(piece->output.bytes());
  }

  void work(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, stop, [&] { return started_ < queue_.size(); });
      if (stop.stop_requested()) return;
      Piece& piece = *queue_[started_++];
      lock.unlock();
      try {
        deflate_piece(piece, level_);
      } catch (...) {
        piece.error = std::current_exception();
      }
      lock.lock();
      piece.done = true;
      changed_.notify_all();
    }
  }

  base::Sink& out_;
  const std::optional<int> level_;
  std::unique_ptr<Piece> next_;
  uint32_t crc_ = 0;
  uint64_t total_ = 0;
  size_t window_ = 0;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::unique_ptr<Piece>> queue_;  // oldest first
  size_t started_ = 0;                        // pieces of queue_ that a worker has taken
  std::vector<std::jthread> workers_;         // last member: joins before the rest goes
};

}  // namespace

std::unique_ptr<CompressSink> gzip_sink(base::Sink& out, unsigned threads,
                                        std::optional<int> level) {
  return std::make_unique<GzipSink>(out, threads, level);
}

}  // namespace layer
