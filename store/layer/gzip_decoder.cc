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

/// Inflates member after member; ISA-L reads the header of each and checks CRC-32 and size.
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
    check_magic();
    if (members_ == 0)
      isal_inflate_init(state_.get());
    else
      isal_inflate_reset(state_.get());
    state_->crc_flag = ISAL_GZIP;
    in_member_ = true;
    feed(magic_, 2);
    return true;
  }

  void check_magic() {
    for (uint8_t& byte : magic_) {
      base::Bytes bytes = input_.peek();
      byte = bytes.empty() ? 0 : static_cast<uint8_t>(bytes[0]);
      if (!bytes.empty()) input_.consume(1);
    }
    if (magic_[0] != 0x1f || magic_[1] != 0x8b)
      corrupt(members_ == 0 ? "not a gzip stream" : "other data after the end of the stream");
  }

  void feed(uint8_t* bytes, uint32_t count) {
    uint8_t none = 0;
    state_->next_out = &none;
    state_->avail_out = 0;
    state_->next_in = bytes;
    state_->avail_in = count;
    check(isal_inflate(state_.get()));
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
      if (!progress && state_->block_state != ISAL_BLOCK_FINISH)
        corrupt("the stream is cut short");
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
      case ISAL_INVALID_WRAPPER:
      case ISAL_UNSUPPORTED_METHOD:
        corrupt("invalid member header");
      default:
        corrupt(base::str("invalid compressed data (", status, ")"));
    }
  }

  PackedInput input_;
  std::unique_ptr<inflate_state> state_;
  uint8_t magic_[2] = {};
  bool in_member_ = false;
  uint64_t members_ = 0;
};

}  // namespace

std::unique_ptr<base::Source> make_gzip_decoder(base::Source& source) {
  return std::make_unique<GzipDecoder>(source);
}

}  // namespace layer
