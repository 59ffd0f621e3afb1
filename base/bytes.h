#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace base {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Where bytes come from. One thread at a time.
class Source {
 public:
  virtual ~Source() = default;
  /// Reads up to buffer.size() bytes; 0 means the end. May return less than asked before the end.
  virtual size_t read(std::span<std::byte> buffer) = 0;
};

/// Where bytes go. One thread at a time.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Takes all of `bytes` or throws.
  virtual void write(Bytes bytes) = 0;
};

class MemorySource : public Source {
 public:
  /// `bytes` must outlive the source.
  explicit MemorySource(Bytes bytes) : rest_(bytes) {}
  size_t read(std::span<std::byte> buffer) override;

 private:
  Bytes rest_;
};

class StringSink : public Sink {
 public:
  void write(Bytes bytes) override { text_.append(as_text(bytes)); }
  std::string& text() { return text_; }

 private:
  std::string text_;
};

/// Discards bytes but counts them.
class CountingSink : public Sink {
 public:
  void write(Bytes bytes) override { count_ += bytes.size(); }
  uint64_t count() const { return count_; }

 private:
  uint64_t count_ = 0;
};

/// Writes everything to two sinks, `first` first.
class TeeSink : public Sink {
 public:
  TeeSink(Sink& first, Sink& second) : first_(first), second_(second) {}
  void write(Bytes bytes) override {
    first_.write(bytes);
    second_.write(bytes);
  }

 private:
  Sink& first_;
  Sink& second_;
};

/// Passes bytes on to `sink` as they are read from `source`.
class TeeSource : public Source {
 public:
  TeeSource(Source& source, Sink& sink) : source_(source), sink_(sink) {}
  size_t read(std::span<std::byte> buffer) override;

 private:
  Source& source_;
  Sink& sink_;
};

/// Copies until the end of `source` and returns the number of bytes. Throws Invalid above `limit`.
uint64_t copy(Source& source, Sink& sink, uint64_t limit = UINT64_MAX);

/// Reads to the end. Throws Invalid when there are more than `limit` bytes.
std::string read_all(Source& source, uint64_t limit);

/// Fills `buffer` unless the source ends first; returns the number of bytes read.
size_t read_full(Source& source, std::span<std::byte> buffer);

}  // namespace base
