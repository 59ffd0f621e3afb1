#pragma once

#include <vector>

#include "base/bytes.h"

namespace layer {

/// The compressed side of a decompressor: a buffer that is refilled from a source. Internal.
class PackedInput {
 public:
  explicit PackedInput(base::Source& source) : source_(source), buffer_(256 * 1024) {}

  /// What is not consumed yet; refilled when empty, so empty means the end of the source.
  base::Bytes peek() {
    if (rest_.empty() && !ended_) {
      size_t n = source_.read(buffer_);
      ended_ = n == 0;
      rest_ = base::Bytes(buffer_).first(n);
    }
    return rest_;
  }
  void consume(size_t n) { rest_ = rest_.subspan(n); }

 private:
  base::Source& source_;
  std::vector<std::byte> buffer_;
  base::Bytes rest_;
  bool ended_ = false;
};

}  // namespace layer
