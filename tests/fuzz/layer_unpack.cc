// Any bytes as a compressed stream, given in pieces of a size that the first byte decides: the same
// output or the same refusal whatever the pieces, and never more than the limit.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "base/error.h"
#include "store/layer/compression.h"

namespace {

class Pieces : public base::Source {
 public:
  Pieces(base::Bytes bytes, size_t size) : rest_(bytes), size_(size) {}
  size_t read(std::span<std::byte> buffer) override {
    size_t n = std::min({buffer.size(), size_, rest_.size()});
    if (n > 0) std::memcpy(buffer.data(), rest_.data(), n);
    rest_ = rest_.subspan(n);
    return n;
  }

 private:
  base::Bytes rest_;
  size_t size_;
};

std::optional<std::string> unpack(base::Bytes bytes, layer::Compression compression, size_t piece) {
  constexpr uint64_t kLimit = 1 << 20;
  layer::Limits limits;
  limits.unpacked_bytes = kLimit;
  Pieces source(bytes, piece);
  base::StringSink out;
  try {
    base::copy(*layer::decompress(source, compression, limits), out);
  } catch (const base::Error&) {
    return std::nullopt;
  }
  CHECK(out.text().size() <= kLimit);
  return out.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  size_t piece = data[0] + 1u;
  base::Bytes bytes = std::as_bytes(std::span(data + 1, size - 1));
  layer::Compression compression = layer::detect(bytes);
  auto whole = unpack(bytes, compression, SIZE_MAX);
  CHECK(whole == unpack(bytes, compression, piece));
  if (whole && compression != layer::Compression::kNone) {
    base::StringSink out;
    auto sink = layer::gzip_sink(out, 1);
    sink->write(base::as_bytes(*whole));
    sink->finish();
    CHECK(unpack(base::as_bytes(out.text()), layer::Compression::kGzip, piece) == whole);
  }
  return 0;
}
