#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace base {

/// Streaming SHA-256 (libcrypto, with the processor's SHA instructions where there are any).
class Sha256 : public Sink {
 public:
  using Value = std::array<std::byte, 32>;
  Sha256();
  ~Sha256() override;
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void write(Bytes bytes) override;
  /// Ends the stream. The object must not be written to afterwards.
  Value finish();
  /// finish() as 64 lower-case hex digits.
  std::string finish_hex();
  /// Number of bytes written so far.
  uint64_t count() const { return count_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  uint64_t count_ = 0;
};

/// Streaming SHA-512, for the digests of the OCI specification that use it.
class Sha512 : public Sink {
 public:
  Sha512();
  ~Sha512() override;
  void write(Bytes bytes) override;
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(Bytes bytes);
std::string to_hex(Bytes bytes);

}  // namespace base
