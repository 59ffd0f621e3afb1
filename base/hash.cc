// The low-level calls are deprecated in OpenSSL 3, but the EVP layer costs about a millisecond at
// its first use in a process, more than a whole container launch.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <openssl/sha.h>

namespace base {

struct Sha256::State {
  SHA256_CTX context;
};
struct Sha512::State {
  SHA512_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::write(Bytes bytes) {
  SHA256_Update(&state_->context, bytes.data(), bytes.size());
  count_ += bytes.size();
}

Sha256::Value Sha256::finish() {
  Value value;
  SHA256_Final(reinterpret_cast<unsigned char*>(value.data()), &state_->context);
  return value;
}

std::string Sha256::finish_hex() { return to_hex(finish()); }

Sha512::Sha512() : state_(std::make_unique<State>()) { SHA512_Init(&state_->context); }
Sha512::~Sha512() = default;
void Sha512::write(Bytes bytes) { SHA512_Update(&state_->context, bytes.data(), bytes.size()); }

std::string Sha512::finish_hex() {
  std::array<std::byte, 64> value;
  SHA512_Final(reinterpret_cast<unsigned char*>(value.data()), &state_->context);
  return to_hex(value);
}

std::string sha256_hex(Bytes bytes) {
  Sha256 hash;
  hash.write(bytes);
  return hash.finish_hex();
}

std::string to_hex(Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::byte b : bytes) {
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

}  // namespace base
