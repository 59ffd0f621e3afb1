// gzip in parallel, with the same bytes at any number of threads.
//
// The input is cut into pieces of exactly 1 MiB (the last one shorter). Each piece is deflated by a
// fresh encoder that was given the 32 KiB before the piece as a dictionary, and ends on a byte
// boundary by a sync flush, so the outputs simply follow one another:
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
constexpr size_t kWorstCase = kPiece + kPiece / 16 + 4096;

struct Piece {
  std::vector<uint8_t> input;  // up to kWindow bytes of history, then the piece
  size_t history = 0;
  bool last = false;
  std::vector<uint8_t> output;
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
    CHECK(deflateSetDictionary(stream.get(), piece.input.data(), static_cast<uInt>(piece.history)) == Z_OK);
  size_t size = piece.input.size() - piece.history;
  piece.output.resize(deflateBound(stream.get(), size) + kFlush);
  stream->next_in = piece.input.data() + piece.history;
  stream->avail_in = static_cast<uInt>(size);
  stream->next_out = piece.output.data();
  stream->avail_out = static_cast<uInt>(piece.output.size());
  int status = deflate(stream.get(), piece.last ? Z_FINISH : Z_SYNC_FLUSH);
  CHECK(status == (piece.last ? Z_STREAM_END : Z_OK) && stream->avail_in == 0 && stream->avail_out > 0);
  piece.output.resize(piece.output.size() - stream->avail_out);
}

void deflate_by_isal(Piece& piece) {
  std::vector<uint8_t> level_buffer(ISAL_DEF_LVL2_DEFAULT);
  auto stream = std::make_unique<isal_zstream>();
  isal_deflate_init(stream.get());
  stream->level = 2;
  stream->level_buf = level_buffer.data();
  stream->level_buf_size = static_cast<uint32_t>(level_buffer.size());
  stream->gzip_flag = IGZIP_DEFLATE;
  if (piece.history > 0) {
    int status = isal_deflate_set_dict(stream.get(), piece.input.data(),
                                       static_cast<uint32_t>(piece.history));
    CHECK(status == COMP_OK);
  }
  size_t size = piece.input.size() - piece.history;
  piece.output.resize(kWorstCase);
  stream->flush = piece.last ? NO_FLUSH : SYNC_FLUSH;
  stream->end_of_stream = piece.last ? 1 : 0;
  stream->next_in = piece.input.data() + piece.history;
  stream->avail_in = static_cast<uint32_t>(size);
  stream->next_out = piece.output.data();
  stream->avail_out = static_cast<uint32_t>(piece.output.size());
  int status = isal_deflate(stream.get());
  CHECK(status == COMP_OK && stream->avail_in == 0 && stream->avail_out > 0);
  piece.output.resize(piece.output.size() - stream->avail_out);
}

void deflate_piece(Piece& piece, std::optional<int> level) {
  if (level) deflate_by_zlib(piece, *level);
  else deflate_by_isal(piece);
  piece.crc = crc32_gzip_refl(0, piece.input.data() + piece.history, piece.input.size() - piece.history);
}

class GzipSink : public CompressSink {
 public:
  GzipSink(base::Sink& out, unsigned threads, std::optional<int> level) : out_(out), level_(level) {
    if (threads == 0) threads = std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
    window_ = threads == 1 ? 0 : threads * 2;
    for (unsigned i = 0; threads > 1 && i < threads; ++i)
      workers_.emplace_back([this](std::stop_token stop) { work(stop); });
    static constexpr uint8_t kHeader[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
    pending_.assign(kHeader, kHeader + sizeof kHeader);
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
    for (uint32_t value : {crc_, size})
      for (int shift = 0; shift < 32; shift += 8)
        pending_.push_back(static_cast<uint8_t>(value >> shift));
    flush();
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
    pending_.insert(pending_.end(), piece->output.begin(), piece->output.end());
    flush();
  }

  void flush() {
    std::vector<uint8_t> bytes = std::exchange(pending_, {});
    out_.write(std::as_bytes(std::span(bytes)));
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
  std::vector<uint8_t> pending_;
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

std::unique_ptr<CompressSink> gzip_sink(base::Sink& out, unsigned threads, std::optional<int> level) {
  return std::make_unique<GzipSink>(out, threads, level);
}

}  // namespace layer
