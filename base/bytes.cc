#include "base/bytes.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace base {

size_t MemorySource::read(std::span<std::byte> buffer) {
  size_t n = std::min(buffer.size(), rest_.size());
  if (n > 0) std::memcpy(buffer.data(), rest_.data(), n);
  rest_ = rest_.subspan(n);
  return n;
}

size_t TeeSource::read(std::span<std::byte> buffer) {
  size_t n = source_.read(buffer);
  sink_.write(buffer.first(n));
  return n;
}

uint64_t copy(Source& source, Sink& sink, uint64_t limit) {
  constexpr size_t kBufferBytes = 64 * 1024;
  auto memory = std::make_unique_for_overwrite<std::byte[]>(kBufferBytes);
  std::span<std::byte> buffer(memory.get(), kBufferBytes);
  uint64_t total = 0;
  for (;;) {
    size_t n = source.read(buffer);
    if (n == 0) return total;
    total += n;
    if (total > limit)
      throw Error(Code::kInvalid, "more than " + std::to_string(limit) + " bytes", "too-large");
    sink.write(Bytes(buffer).first(n));
  }
}

std::string read_all(Source& source, uint64_t limit) {
  StringSink sink;
  copy(source, sink, limit);
  return std::move(sink.text());
}

size_t read_full(Source& source, std::span<std::byte> buffer) {
  size_t done = 0;
  while (done < buffer.size()) {
    size_t n = source.read(buffer.subspan(done));
    if (n == 0) break;
    done += n;
  }
  return done;
}

}  // namespace base
