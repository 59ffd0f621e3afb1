#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"

namespace oci {

/// The name of some bytes: "sha256:" and 64, or "sha512:" and 128, lower-case hex digits. Cannot
/// exist malformed: parsing and hashing are its only doors, so a digest may become part of a path.
/// [OCI image-spec, descriptor.md, "Digests"]
class Digest {
 public:
  /// Throws Invalid; the message shows `text` made printable.
  static Digest parse(std::string_view text);
  static std::optional<Digest> try_parse(std::string_view text);
  /// Digest of bytes in memory, SHA-256.
  static Digest sha256_of(base::Bytes bytes);
  static Digest sha256_of(std::string_view text) { return sha256_of(base::as_bytes(text)); }
  /// From a finished hash.
  static Digest from_sha256(const base::Sha256::Value& value);

  /// "sha256" or "sha512".
  std::string_view algorithm() const { return std::string_view(text_).substr(0, 6); }
  /// The hex digits.
  std::string_view hex() const { return std::string_view(text_).substr(7); }
  /// First 12 hex digits, for people.
  std::string_view short_hex() const { return hex().substr(0, 12); }
  /// "sha256:…".
  const std::string& str() const { return text_; }

  auto operator<=>(const Digest&) const = default;

 private:
  explicit Digest(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// Digest of a layer's uncompressed tar. A type of its own, so that it is never mistaken for the
/// digest of a (compressed) blob. [OCI image-spec, config.md, "Layer DiffID"]
class DiffId {
 public:
  explicit DiffId(Digest digest) : digest_(std::move(digest)) {}
  static DiffId parse(std::string_view text) { return DiffId(Digest::parse(text)); }
  static std::optional<DiffId> try_parse(std::string_view text);

  const Digest& digest() const { return digest_; }
  std::string_view hex() const { return digest_.hex(); }
  std::string_view short_hex() const { return digest_.short_hex(); }
  const std::string& str() const { return digest_.str(); }

  auto operator<=>(const DiffId&) const = default;

 private:
  Digest digest_;
};

/// Counts and hashes (SHA-256) what is written to it.
class Digester : public base::Sink {
 public:
  void write(base::Bytes bytes) override { hash_.write(bytes); }
  uint64_t count() const { return hash_.count(); }
  /// Ends the stream; once.
  Digest finish() { return Digest::from_sha256(hash_.finish()); }

 private:
  base::Sha256 hash_;
};

/// Checks that what is written to it are the bytes with a given digest and, when known, size.
/// Nothing has been verified before finish() returned.
class Verifier : public base::Sink {
 public:
  /// `what` opens the messages: "layer", "config".
  explicit Verifier(Digest expected, std::optional<uint64_t> size_bytes = {},
                    std::string what = "blob");
  /// Throws Corrupt as soon as there are more bytes than announced.
  void write(base::Bytes bytes) override;
  /// Throws Corrupt unless size and digest are as announced. Once.
  void finish();
  uint64_t count() const { return count_; }

 private:
  Digest expected_;
  std::optional<uint64_t> size_bytes_;
  std::string what_;
  uint64_t count_ = 0;
  std::unique_ptr<base::Sha256> sha256_;
  std::unique_ptr<base::Sha512> sha512_;
};

/// Reads `source` through a Verifier: the read that meets the end throws Corrupt if the bytes were
/// not what they should be. Whoever stops before the end has verified nothing.
class VerifiedSource : public base::Source {
 public:
  VerifiedSource(std::unique_ptr<base::Source> source, Digest expected,
                 std::optional<uint64_t> size_bytes, std::string what = "blob");
  size_t read(std::span<std::byte> buffer) override;

 private:
  std::unique_ptr<base::Source> source_;
  Verifier verifier_;
  bool finished_ = false;
};

}  // namespace oci

template <>
struct std::hash<oci::Digest> {
  size_t operator()(const oci::Digest& digest) const noexcept {
    return std::hash<std::string>()(digest.str());
  }
};
template <>
struct std::hash<oci::DiffId> {
  size_t operator()(const oci::DiffId& id) const noexcept {
    return std::hash<std::string>()(id.str());
  }
};
