#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/sys/fd.h"
#include "store/oci/digest.h"

namespace store {

struct Core;

/// A blob whose bytes are complete and hashed but neither durable nor visible. Batch::add_blob
/// makes it both; dropped, it leaves nothing behind. Move-only.
class StagedBlob {
 public:
  StagedBlob(std::filesystem::path path, oci::Digest digest, uint64_t size_bytes);
  StagedBlob(StagedBlob&& other) noexcept;
  StagedBlob& operator=(StagedBlob&&) = delete;
  ~StagedBlob();

  const oci::Digest& digest() const { return digest_; }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  friend class Batch;
  friend class BlobWriter;
  /// Renames to `target`, replacing what is there: the same bytes, or a damaged copy of them.
  void publish(const std::filesystem::path& target);
  void sync() const;
  /// True when the file `there` holds the same bytes. Says no to what is too large to compare.
  bool is_same_as(const std::filesystem::path& there) const;

  std::filesystem::path path_;  // empty: published or moved from
  oci::Digest digest_;
  uint64_t size_bytes_;
  std::stop_token keep_;  // when requested, the file stays: see BlobWriter::Resume
};

/// What a finished blob must be; unset members are not checked.
struct Expected {
  std::optional<oci::Digest> digest = {};
  std::optional<uint64_t> size_bytes = {};
};

/// Receives the bytes of one blob. Nothing is visible under its digest before commit(); an
/// abandoned writer leaves nothing behind. One thread at a time; the Store must outlive it.
class BlobWriter : public base::Sink {
 public:
  /// `expected`, as far as it is known now: its algorithm is used, and more bytes than its size are
  /// refused while they come.
  BlobWriter(Core& core, Expected expected);
  /// Goes on with what an earlier process left in partial/; see Store::resume_blob.
  struct Resume {
    std::stop_token stop;
  };
  BlobWriter(Core& core, Expected expected, Resume resume);
  ~BlobWriter() override;
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  /// Throws SystemError (ENOSPC and the like), Corrupt above the expected size.
  void write(base::Bytes bytes) override;

  /// Makes the blob durable and visible; fine if it is there already. Throws Corrupt when the bytes
  /// are not `expected`. [spec/security.md S1]
  oci::Digest commit(const Expected& expected = {});

  /// The same check, but leaves publishing to a Batch, which syncs once for many.
  StagedBlob finish(const Expected& expected = {});

  uint64_t count() const { return count_; }
  /// Bytes that were there at the beginning. They must be written again, from resumed(), because
  /// they have not been hashed; that does not store them twice.
  uint64_t resumed_bytes() const { return resumed_; }
  /// Those bytes. Borrows from this.
  std::unique_ptr<base::Source> resumed() const;
  /// A descriptor of its own for reading, at explicit positions and by any thread, what has been
  /// written so far.
  sys::UniqueFd open_for_reading() const { return fd_.duplicate(); }

 private:
  void prepare();
  Core& core_;
  Expected expected_;
  uint64_t resumed_ = 0;
  std::stop_token keep_;
  std::filesystem::path path_;
  sys::UniqueFd fd_;
  base::Sha256 sha256_;
  std::unique_ptr<base::Sha512> sha512_;  // only when such a digest is expected
  uint64_t count_ = 0;
};

/// Reads one blob. Reading is verifying: the read that would return the last byte throws Corrupt
/// when the whole does not have the digest it is named by. One thread at a time.
class BlobReader : public base::Source {
 public:
  BlobReader(sys::UniqueFd fd, oci::Digest digest, uint64_t size_bytes);
  uint64_t size_bytes() const { return size_bytes_; }
  const oci::Digest& digest() const { return digest_; }
  size_t read(std::span<std::byte> buffer) override;
  /// The whole blob as text. Throws Invalid above `limit`, Corrupt.
  std::string read_text(uint64_t limit);

 private:
  sys::UniqueFd fd_;
  oci::Digest digest_;
  uint64_t size_bytes_;
  oci::Verifier verifier_;
  bool verified_ = false;
};

}  // namespace store
