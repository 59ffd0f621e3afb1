#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/decoders.h"
#include "store/layer/packed_input.h"

namespace layer {

namespace {

[[noreturn]] void corrupt(const std::string& what) {
  throw base::Error(base::Code::kCorrupt, "gzip: " + what, "gzip-corrupt");
}

/// Inflates member after member. The member headers are read here, byte by byte: ISA-L forgets the
/// flags of a header that two reads of the source share. It checks CRC-32 and size of the trailer.
class GzipDecoder : public base::Source {
 public:
  explicit GzipDecoder(base::Source& source)
      : input_(source), state_(std::make_unique<inflate_state>()) {}

  size_t read(std::span<std::byte> buffer) override {
    if (buffer.empty()) return 0;
    for (;;) {
      if (!in_member_ && !start_member()) return 0;
      if (size_t n = inflate(buffer)) return n;
    }
  }

 private:
  // False at the end of the source, which only the end of a member may be.
  bool start_member() {
    if (input_.peek().empty()) {
      if (members_ == 0) corrupt("the stream is empty");
      return false;
    }
    read_header();
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP_NO_HDR_VER;
    in_member_ = true;
    return true;
  }

  // [RFC 1952, 2.3]
  void read_header() {
    enum Flag : uint8_t { kHeaderCrc = 2, kExtra = 4, kName = 8, kComment = 16, kReserved = 0xe0 };
    header_crc_ = 0;
    const char* not_gzip =
        members_ == 0 ? "not a gzip stream" : "other data after the end of the stream";
    if (header_byte() != 0x1f || header_byte() != 0x8b) corrupt(not_gzip);
    if (header_byte() != 8) corrupt("unknown compression method");
    uint8_t flags = header_byte();
    if ((flags & kReserved) != 0) corrupt("unknown flags in a member header");
    for (int i = 0; i < 6; ++i) header_byte();  // time, extra flags, system
    if ((flags & kExtra) != 0) {
      unsigned size = header_byte();
      size |= static_cast<unsigned>(header_byte()) << 8;
      for (; size > 0; --size) header_byte();
    }
    if ((flags & kName) != 0) skip_text();
    if ((flags & kComment) != 0) skip_text();
    if ((flags & kHeaderCrc) != 0) {
      uint32_t computed = header_crc_ & 0xffff;
      uint32_t stored = header_byte();
      stored |= static_cast<uint32_t>(header_byte()) << 8;
      if (stored != computed) corrupt("checksum of a member header does not match");
    }
  }

  void skip_text() {
    while (header_byte() != 0) {
    }
  }

  uint8_t header_byte() {
    base::Bytes bytes = input_.peek();
    if (bytes.empty()) corrupt("the stream is cut short");
    uint8_t byte = static_cast<uint8_t>(bytes[0]);
    input_.consume(1);
    header_crc_ = crc32_gzip_refl(header_crc_, &byte, 1);
    return byte;
  }

  // Fills part of the buffer; 0 when the member ended without more output.
  size_t inflate(std::span<std::byte> buffer) {
    size_t room = std::min<size_t>(buffer.size(), 1u << 30);
    state_->next_out = reinterpret_cast<uint8_t*>(buffer.data());
    state_->avail_out = static_cast<uint32_t>(room);
    while (state_->avail_out == room && state_->block_state != ISAL_BLOCK_FINISH) {
      base::Bytes packed = input_.peek();
      // ISA-L's signature lacks a const; it does not write to its input.
      state_->next_in = reinterpret_cast<uint8_t*>(const_cast<std::byte*>(packed.data()));
      state_->avail_in = static_cast<uint32_t>(packed.size());
      check(isal_inflate(state_.get()));
      input_.consume(packed.size() - state_->avail_in);
      bool progress = state_->avail_out != room || state_->avail_in != packed.size();
      if (!progress && state_->block_state != ISAL_BLOCK_FINISH) corrupt("the stream is cut short");
    }
    if (state_->block_state == ISAL_BLOCK_FINISH) {
      in_member_ = false;
      ++members_;
    }
    return room - state_->avail_out;
  }

  static void check(int status) {
    switch (status) {
      case ISAL_DECOMP_OK:
      case ISAL_END_INPUT:
      case ISAL_OUT_OVERFLOW:
        return;
      case ISAL_INCORRECT_CHECKSUM:
        corrupt("checksum or size in the trailer does not match the content");
      default:
        corrupt(base::str("invalid compressed data (", status, ")"));
    }
  }

  PackedInput input_;
  std::unique_ptr<inflate_state> state_;
  uint32_t header_crc_ = 0;
  bool in_member_ = false;
  uint64_t members_ = 0;
};

}  // namespace

std::unique_ptr<base::Source> make_gzip_decoder(base::Source& source) {
  return std::make_unique<GzipDecoder>(source);
}

}  // namespace layer
