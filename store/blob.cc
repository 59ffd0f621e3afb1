#include "store/blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "store/core.h"

namespace store {

StagedBlob::StagedBlob(std::filesystem::path path, oci::Digest digest, uint64_t size_bytes)
    : path_(std::move(path)), digest_(std::move(digest)), size_bytes_(size_bytes) {}

StagedBlob::StagedBlob(StagedBlob&& other) noexcept
    : path_(std::move(other.path_)),
      digest_(std::move(other.digest_)),
      size_bytes_(other.size_bytes_),
      keep_(std::move(other.keep_)) {
  other.path_.clear();
}

StagedBlob::~StagedBlob() {
  if (!path_.empty() && !keep_.stop_requested()) ::unlink(path_.c_str());
}

void StagedBlob::sync() const {
  // Not kept open since it was written: a batch may hold thousands. The kernel reports an error of
  // an earlier write-back to the first who asks, also through a new descriptor.
  sys::UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) < 0) base::throw_errno(base::str("sync blob ", digest_.str()));
}

bool StagedBlob::is_same_as(const std::filesystem::path& there) const {
  constexpr uint64_t kMost = 64 * 1024;
  if (size_bytes_ > kMost || !is_there(there)) return false;
  const std::optional<std::string> known = sys::find_user_file(there, kMost);
  return known && *known == sys::read_user_file(path_, kMost);
}

void StagedBlob::publish(const std::filesystem::path& target) {
  if (::rename(path_.c_str(), target.c_str()) < 0)
    base::throw_errno(base::str("publish blob ", digest_.str()));
  path_.clear();
}

BlobWriter::BlobWriter(Core& core, Expected expected)
    : core_(core),
      expected_(std::move(expected)),
      path_(core.staging_file("blob")),
      fd_(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) {
  prepare();
}

BlobWriter::BlobWriter(Core& core, Expected expected, Resume resume)
    : core_(core), expected_(std::move(expected)), keep_(std::move(resume.stop)) {
  sys::make_directories(core.layout.partials());
  path_ = core.layout.partial(*expected_.digest);
  fd_ = sys::UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  prepare();
  off_t size = ::lseek(fd_.get(), 0, SEEK_END);
  if (size < 0) base::throw_errno("look at " + path_.string());
  resumed_ = static_cast<uint64_t>(size);
  if (resumed_ <= *expected_.size_bytes) return;
  resumed_ = 0;
  if (::ftruncate(fd_.get(), 0) < 0 || ::lseek(fd_.get(), 0, SEEK_SET) < 0)
    base::throw_errno("empty " + path_.string());
}

void BlobWriter::prepare() {
  if (!fd_) base::throw_errno("create " + path_.string());
  if (expected_.digest && expected_.digest->algorithm() == "sha512")
    sha512_ = std::make_unique<base::Sha512>();
}

BlobWriter::~BlobWriter() {
  if (!path_.empty() && !keep_.stop_requested()) ::unlink(path_.c_str());
}

namespace {

// The beginning of a file that somebody else appends to.
class BeginningSource : public base::Source {
 public:
  BeginningSource(int fd, uint64_t bytes) : fd_(fd), left_(bytes) {}
  size_t read(std::span<std::byte> buffer) override {
    buffer = buffer.first(std::min<uint64_t>(buffer.size(), left_));
    if (buffer.empty()) return 0;
    ssize_t n;
    do n = ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(position_));
    while (n < 0 && errno == EINTR);
    if (n < 0) base::throw_errno("read a partial blob");
    if (n == 0)
      throw base::Error(base::Code::kCorrupt, "a partial blob became shorter", "blob-size");
    position_ += static_cast<uint64_t>(n);
    left_ -= static_cast<uint64_t>(n);
    return static_cast<size_t>(n);
  }

 private:
  int fd_;
  uint64_t position_ = 0;
  uint64_t left_;
};

}  // namespace

std::unique_ptr<base::Source> BlobWriter::resumed() const {
  return std::make_unique<BeginningSource>(fd_.get(), resumed_);
}

void BlobWriter::write(base::Bytes bytes) {
  count_ += bytes.size();
  if (expected_.size_bytes && count_ > *expected_.size_bytes)
    throw base::Error(base::Code::kCorrupt,
                      base::str("blob ", expected_.digest ? expected_.digest->str() : "",
                                " is larger than the announced ", *expected_.size_bytes, " bytes"),
                      "blob-size");
  if (sha512_) {
    sha512_->write(bytes);
  } else {
    sha256_.write(bytes);
  }
  uint64_t begin = count_ - bytes.size();
  if (begin < resumed_) bytes = bytes.subspan(std::min<uint64_t>(bytes.size(), resumed_ - begin));
  if (!bytes.empty()) sys::write_all(fd_.get(), bytes, path_.string());
}

StagedBlob BlobWriter::finish(const Expected& expected) {
  CHECK(!path_.empty());
  const oci::Digest digest = sha512_ ? oci::Digest::parse("sha512:" + sha512_->finish_hex())
                                     : oci::Digest::from_sha256(sha256_.finish());
  for (const Expected* wanted : std::initializer_list<const Expected*>{&expected_, &expected}) {
    if (wanted->size_bytes && *wanted->size_bytes != count_)
      throw base::Error(base::Code::kCorrupt,
                        base::str("blob ", digest.str(), " has ", count_, " bytes, announced were ",
                                  *wanted->size_bytes),
                        "blob-size");
    if (wanted->digest && *wanted->digest != digest)
      throw base::Error(
          base::Code::kCorrupt,
          base::str("blob ", wanted->digest->str(), " has the wrong content: it is ", digest.str()),
          "blob-digest");
  }
  std::filesystem::path path = std::exchange(path_, std::filesystem::path());
  fd_.reset();
  StagedBlob blob(std::move(path), digest, count_);
  blob.keep_ = keep_;
  return blob;
}

oci::Digest BlobWriter::commit(const Expected& expected) {
  StagedBlob blob = finish(expected);
  if (core_.durable) blob.sync();
  Keeper keeper(core_, true);
  const std::filesystem::path target = core_.layout.blob(blob.digest());
  blob.publish(target);
  if (core_.durable) sys::sync_directory(target.parent_path());
  keeper.blob(blob.digest());
  return blob.digest();
}

BlobReader::BlobReader(sys::UniqueFd fd, oci::Digest digest, uint64_t size_bytes)
    : fd_(std::move(fd)),
      digest_(std::move(digest)),
      size_bytes_(size_bytes),
      verifier_(digest_, size_bytes, "stored blob") {}

size_t BlobReader::read(std::span<std::byte> buffer) {
  if (verified_ || buffer.empty()) return 0;
  const size_t count = sys::FdSource(fd_.get(), "blob " + digest_.str()).read(buffer);
  verifier_.write(buffer.first(count));
  if (count == 0 || verifier_.count() == size_bytes_) {
    verifier_.finish();
    verified_ = true;
  }
  return count;
}

std::string BlobReader::read_text(uint64_t limit) {
  return base::with_context(digest_.str(), [&] { return base::read_all(*this, limit); });
}

}  // namespace store
