#include <bzlib.h>
#include <lzma.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/decoders.h"
#include "store/layer/packed_input.h"

namespace layer {

namespace {

class XzDecoder : public base::Source {
 public:
  XzDecoder(base::Source& source, uint64_t memory_bytes) : input_(source) {
    lzma_ret status = lzma_stream_decoder(&stream_, memory_bytes, LZMA_CONCATENATED);
    CHECK(status == LZMA_OK);
  }
  ~XzDecoder() override { lzma_end(&stream_); }
  XzDecoder(const XzDecoder&) = delete;
  XzDecoder& operator=(const XzDecoder&) = delete;

  size_t read(std::span<std::byte> buffer) override {
    if (ended_ || buffer.empty()) return 0;
    stream_.next_out = reinterpret_cast<uint8_t*>(buffer.data());
    stream_.avail_out = buffer.size();
    while (stream_.avail_out == buffer.size() && !ended_) {
      base::Bytes packed = input_.peek();
      stream_.next_in = reinterpret_cast<const uint8_t*>(packed.data());
      stream_.avail_in = packed.size();
      lzma_ret status = lzma_code(&stream_, packed.empty() ? LZMA_FINISH : LZMA_RUN);
      input_.consume(packed.size() - stream_.avail_in);
      ended_ = status == LZMA_STREAM_END;
      if (!ended_ && status != LZMA_OK) fail(status);
    }
    return buffer.size() - stream_.avail_out;
  }

 private:
  [[noreturn]] static void fail(lzma_ret status) {
    if (status == LZMA_MEMLIMIT_ERROR)
      throw base::Error(base::Code::kUnsupported, "xz: the dictionary is larger than the limit",
                        "xz-memory");
    if (status == LZMA_MEM_ERROR) throw base::SystemError("xz: allocate", ENOMEM);
    const char* what = status == LZMA_BUF_ERROR      ? "the stream is cut short"
                       : status == LZMA_FORMAT_ERROR ? "not an xz stream"
                                                     : "invalid compressed data";
    throw base::Error(base::Code::kCorrupt, base::str("xz: ", what), "xz-corrupt");
  }

  PackedInput input_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

class Bzip2Decoder : public base::Source {
 public:
  explicit Bzip2Decoder(base::Source& source) : input_(source) {}
  ~Bzip2Decoder() override { stop(); }
  Bzip2Decoder(const Bzip2Decoder&) = delete;
  Bzip2Decoder& operator=(const Bzip2Decoder&) = delete;

  size_t read(std::span<std::byte> buffer) override {
    size_t room = std::min<size_t>(buffer.size(), 1u << 30);
    stream_.next_out = reinterpret_cast<char*>(buffer.data());
    stream_.avail_out = static_cast<unsigned>(room);
    while (room > 0 && stream_.avail_out == room) {
      base::Bytes packed = input_.peek();
      if (!open_ && !start(packed)) break;
      // libbz2's signature lacks a const.
      stream_.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(packed.data()));
      stream_.avail_in = static_cast<unsigned>(packed.size());
      int status = BZ2_bzDecompress(&stream_);
      input_.consume(packed.size() - stream_.avail_in);
      if (status == BZ_STREAM_END)
        stop();
      else if (status == BZ_DATA_ERROR_MAGIC)
        corrupt(streams_ > 1 ? "other data after the end of the stream" : "not a bzip2 stream");
      else if (status != BZ_OK)
        corrupt("invalid compressed data");
      else if (packed.empty() && stream_.avail_out == room)
        corrupt("the stream is cut short");
    }
    return room - stream_.avail_out;
  }

 private:
  [[noreturn]] static void corrupt(const char* what) {
    throw base::Error(base::Code::kCorrupt, base::str("bzip2: ", what), "bzip2-corrupt");
  }

  // False at the end of the source.
  bool start(base::Bytes packed) {
    if (packed.empty()) {
      if (streams_ == 0) corrupt("the stream is empty");
      return false;
    }
    // Only the allocator and position fields are read by the call; the output fields stay.
    CHECK(BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK);
    open_ = true;
    ++streams_;
    return true;
  }
  void stop() {
    if (open_) BZ2_bzDecompressEnd(&stream_);
    open_ = false;
  }

  PackedInput input_;
  bz_stream stream_ = {};
  bool open_ = false;
  uint64_t streams_ = 0;
};

}  // namespace

std::unique_ptr<base::Source> make_xz_decoder(base::Source& source, uint64_t memory_bytes) {
  return std::make_unique<XzDecoder>(source, memory_bytes);
}

std::unique_ptr<base::Source> make_bzip2_decoder(base::Source& source) {
  return std::make_unique<Bzip2Decoder>(source);
}

}  // namespace layer
