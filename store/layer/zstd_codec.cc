#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/compression.h"
#include "store/layer/decoders.h"
#include "store/layer/packed_input.h"

namespace layer {

namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

class ZstdDecoder : public base::Source {
 public:
  ZstdDecoder(base::Source& source, uint64_t window_bytes, OnFrame on_frame)
      : input_(source), context_(ZSTD_createDCtx()), on_frame_(std::move(on_frame)) {
    CHECK(context_ != nullptr);
    window_log_ = static_cast<int>(std::bit_width(window_bytes)) - 1;
    size_t status = ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, window_log_);
    CHECK(!ZSTD_isError(status));
  }

  size_t read(std::span<std::byte> buffer) override {
    ZSTD_outBuffer out = {buffer.data(), buffer.size(), 0};
    while (out.pos == 0 && out.size > 0) {
      base::Bytes packed = input_.peek();
      if (packed.empty() && !in_frame_) {
        if (!started_)
          throw base::Error(base::Code::kCorrupt, "zstd: the stream is empty", "zstd-corrupt");
        break;
      }
      if (!in_frame_) {
        if (on_frame_) on_frame_(packed_offset_, offset_);
        header_.clear();
        frame_bytes_ = 0;
      }
      ZSTD_inBuffer in = {packed.data(), packed.size(), 0};
      size_t status = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(status)) fail(status);
      const size_t missing = kLongestHeader - header_.size();
      header_.append(base::as_text(packed.first(std::min(in.pos, missing))));
      frame_bytes_ += out.pos;
      input_.consume(in.pos);
      packed_offset_ += in.pos;
      offset_ += out.pos;
      started_ = true;
      if (packed.empty() && out.pos == 0)
        throw base::Error(base::Code::kCorrupt, "zstd: the stream is cut short", "zstd-corrupt");
      in_frame_ = status != 0;
      if (!in_frame_) check_frame_size();
    }
    return out.pos;
  }

 private:
  static constexpr size_t kLongestHeader = 18;

  /// The library does so itself, but for a frame that comes in pieces and ends with an empty block.
  void check_frame_size() const {
    const unsigned long long said = ZSTD_getFrameContentSize(header_.data(), header_.size());
    if (said != ZSTD_CONTENTSIZE_UNKNOWN && said != frame_bytes_)
      throw base::Error(base::Code::kCorrupt, "zstd: the frame is not as long as it says",
                        "zstd-corrupt");
  }

  [[noreturn]] void fail(size_t status) const {
    ZSTD_ErrorCode code = ZSTD_getErrorCode(status);
    if (code == ZSTD_error_frameParameter_windowTooLarge)
      throw base::Error(
          base::Code::kUnsupported,
          base::str("zstd: the window is larger than the limit of 2^", window_log_, " bytes"),
          "zstd-window");
    bool between = !in_frame_ && started_ && code == ZSTD_error_prefix_unknown;
    throw base::Error(base::Code::kCorrupt,
                      base::str("zstd: ", between ? "other data after the end of the stream"
                                                  : ZSTD_getErrorName(status)),
                      "zstd-corrupt");
  }

  PackedInput input_;
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  OnFrame on_frame_;
  std::string header_;  ///< first bytes of the frame
  uint64_t frame_bytes_ = 0;
  uint64_t packed_offset_ = 0;
  uint64_t offset_ = 0;
  int window_log_ = 27;
  bool in_frame_ = false;
  bool started_ = false;
};

// Input goes in whole pieces of this size, so that the output does not depend on write() calls.
constexpr size_t kPiece = 1 << 20;

class ZstdSink : public CompressSink {
 public:
  ZstdSink(base::Sink& out, int level)
      : out_(out), context_(ZSTD_createCCtx()), buffer_(ZSTD_CStreamOutSize()) {
    CHECK(context_ != nullptr);
    set(ZSTD_c_compressionLevel, level);
    set(ZSTD_c_checksumFlag, 1);
    piece_.reserve(kPiece);
  }

  void write(base::Bytes bytes) override {
    while (!bytes.empty()) {
      size_t n = std::min(bytes.size(), kPiece - piece_.size());
      piece_.insert(piece_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      if (piece_.size() == kPiece) compress(ZSTD_e_continue);
    }
  }

  void finish() override { compress(ZSTD_e_end); }

 private:
  void set(ZSTD_cParameter parameter, int value) {
    size_t status = ZSTD_CCtx_setParameter(context_.get(), parameter, value);
    if (ZSTD_isError(status))
      throw base::Error(base::Code::kInvalid,
                        base::str("zstd: ", ZSTD_getErrorName(status), ": ", value));
  }

  void compress(ZSTD_EndDirective directive) {
    ZSTD_inBuffer in = {piece_.data(), piece_.size(), 0};
    size_t left;
    do {
      ZSTD_outBuffer out = {buffer_.data(), buffer_.size(), 0};
      left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
      if (ZSTD_isError(left))
        throw base::Error(base::Code::kSystem, base::str("zstd: ", ZSTD_getErrorName(left)));
      out_.write(base::Bytes(buffer_).first(out.pos));
    } while (in.pos < in.size || (directive == ZSTD_e_end && left != 0));
    piece_.clear();
  }

  base::Sink& out_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> piece_;
};

}  // namespace

std::unique_ptr<base::Source> make_zstd_decoder(base::Source& source, uint64_t window_bytes,
                                                OnFrame on_frame) {
  return std::make_unique<ZstdDecoder>(source, window_bytes, std::move(on_frame));
}

std::unique_ptr<CompressSink> zstd_sink(base::Sink& out, int level) {
  return std::make_unique<ZstdSink>(out, level);
}

}  // namespace layer
