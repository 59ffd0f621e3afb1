#include "store/oci/digest.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace oci {

namespace {

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::optional<Digest> Digest::try_parse(std::string_view text) {
  bool known = (text.starts_with("sha256:") && text.size() == 7 + 64) ||
               (text.starts_with("sha512:") && text.size() == 7 + 128);
  if (!known || !is_lower_hex(text.substr(7))) return std::nullopt;
  return Digest(std::string(text));
}

Digest Digest::parse(std::string_view text) {
  if (auto digest = try_parse(text)) return *std::move(digest);
  throw base::Error(base::Code::kInvalid,
                    base::str("\"", base::printable(text, 100),
                              "\" is not a digest: sha256: and 64, or sha512: and 128, lower-case "
                              "hex digits"),
                    "bad-digest");
}

Digest Digest::sha256_of(base::Bytes bytes) { return Digest("sha256:" + base::sha256_hex(bytes)); }

Digest Digest::from_sha256(const base::Sha256::Value& value) {
  return Digest("sha256:" + base::to_hex(value));
}

std::optional<DiffId> DiffId::try_parse(std::string_view text) {
  auto digest = Digest::try_parse(text);
  if (!digest) return std::nullopt;
  return DiffId(*std::move(digest));
}

Verifier::Verifier(Digest expected, std::optional<uint64_t> size_bytes, std::string what)
    : expected_(std::move(expected)), size_bytes_(size_bytes), what_(std::move(what)) {
  if (expected_.algorithm() == "sha256")
    sha256_ = std::make_unique<base::Sha256>();
  else
    sha512_ = std::make_unique<base::Sha512>();
}

void Verifier::write(base::Bytes bytes) {
  count_ += bytes.size();
  if (size_bytes_ && count_ > *size_bytes_)
    throw base::Error(base::Code::kCorrupt,
                      base::str(what_, " ", expected_.str(), " is larger than its descriptor's ",
                                *size_bytes_, " bytes"),
                      "size-mismatch");
  if (sha256_)
    sha256_->write(bytes);
  else
    sha512_->write(bytes);
}

void Verifier::finish() {
  if (size_bytes_ && count_ != *size_bytes_)
    throw base::Error(base::Code::kCorrupt,
                      base::str(what_, " ", expected_.str(), " has ", count_,
                                " bytes, its descriptor says ", *size_bytes_),
                      "size-mismatch");
  std::string hex = sha256_ ? sha256_->finish_hex() : sha512_->finish_hex();
  if (hex != expected_.hex())
    throw base::Error(base::Code::kCorrupt,
                      base::str(what_, " ", expected_.str(), " does not match its digest: it is ",
                                expected_.algorithm(), ":", hex),
                      "digest-mismatch");
}

VerifiedSource::VerifiedSource(std::unique_ptr<base::Source> source, Digest expected,
                               std::optional<uint64_t> size_bytes, std::string what)
    : source_(std::move(source)), verifier_(std::move(expected), size_bytes, std::move(what)) {}

size_t VerifiedSource::read(std::span<std::byte> buffer) {
  if (finished_ || buffer.empty()) return 0;
  size_t n = source_->read(buffer);
  if (n > 0) {
    verifier_.write(buffer.first(n));
  } else {
    verifier_.finish();
    finished_ = true;
  }
  return n;
}

}  // namespace oci
