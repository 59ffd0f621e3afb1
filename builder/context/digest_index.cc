#include "builder/context/digest_index.h"

#include <cstring>
#include <ctime>

namespace context {

namespace {

constexpr std::string_view kMagic = "torte-index-1\n";
constexpr size_t kEntryBytes = sizeof(FileStamp) + sizeof(FileDigest);
static_assert(sizeof(FileStamp) == 40, "written as it lies in memory");

int64_t nanoseconds(const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_REALTIME_COARSE, &t);
  return nanoseconds(t);
}

template <typename T>
T take(std::string_view& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

template <typename T>
void put_raw(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

FileStamp FileStamp::of(const struct stat& st) {
  return {st.st_dev, st.st_ino, static_cast<uint64_t>(st.st_size), nanoseconds(st.st_mtim),
          nanoseconds(st.st_ctim)};
}

DigestIndex::DigestIndex(std::string_view stored) : scan_start_ns_(now_ns()) {
  if (!stored.starts_with(kMagic) || stored.size() < kMagic.size() + 16) return;
  stored.remove_prefix(kMagic.size());
  int64_t recorded_at = take<int64_t>(stored);
  uint64_t count = take<uint64_t>(stored);
  if (stored.size() % kEntryBytes != 0 || stored.size() / kEntryBytes != count) return;
  entries_.reserve(count);
  while (!stored.empty()) {
    FileStamp stamp = take<FileStamp>(stored);
    FileDigest digest = take<FileDigest>(stored);
    if (stamp.mtime_ns < recorded_at && stamp.ctime_ns < recorded_at)
      entries_.emplace(stamp, digest);
  }
}

std::optional<FileDigest> DigestIndex::find(const FileStamp& stamp) const {
  auto found = entries_.find(stamp);
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

void DigestIndex::put(const FileStamp& stamp, const FileDigest& digest) {
  changed_ |= entries_.insert_or_assign(stamp, digest).second;
}

std::string DigestIndex::serialize() const {
  std::string out(kMagic);
  out.reserve(kMagic.size() + 16 + entries_.size() * kEntryBytes);
  put_raw(out, scan_start_ns_);
  put_raw(out, uint64_t{entries_.size()});
  for (const auto& [stamp, digest] : entries_) {
    put_raw(out, stamp);
    put_raw(out, digest);
  }
  return out;
}

}  // namespace context
