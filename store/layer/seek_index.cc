// The file, little-endian, numbers as LEB128 unless a width is given:
//
//   "torte seekindex 1\n"
//   text blob, text diff id, tar bytes, compression
//   count, points    tar offset and blob offset (both less those of the point before), bits, text
//   window count, digests   32 bytes each count, members   type, mode, uid, gid, size, seconds
//   (zigzag), nanoseconds, major, minor, offset,
//                    text path, text link, count, (text name, text value) attributes
//   SHA-256 of all before it, 32 bytes
//
// A text is its length and its bytes.

#include "store/layer/seek_index.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"

namespace layer {

namespace {

constexpr std::string_view kHeading = "torte seekindex 1\n";
constexpr size_t kDigestBytes = 32;

[[noreturn]] void corrupt(const char* what) {
  throw base::Error(base::Code::kCorrupt, std::string("seek index: ") + what, "seek-index");
}

class Writer {
 public:
  void number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  void text(std::string_view bytes) {
    number(bytes.size());
    out_ += bytes;
  }
  void raw(std::string_view bytes) { out_ += bytes; }
  std::string& out() { return out_; }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  uint64_t number(uint64_t most = UINT64_MAX) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(raw(1)[0]);
      if (shift == 63 && byte > 1) break;
      value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) != 0) continue;
      if (value > most) corrupt("a number is out of range");
      return value;
    }
    corrupt("a number is too long");
  }
  /// A count of things of at least so many bytes each: more than can follow is not allocated.
  size_t count(size_t least_bytes) { return number(rest_.size() / least_bytes); }
  std::string_view text() { return raw(number(rest_.size())); }
  std::string_view raw(size_t size) {
    if (rest_.size() < size) corrupt("it is cut short");
    std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

std::string digest_of(std::string_view text) {
  base::Sha256 hash;
  hash.write(base::as_bytes(text));
  return std::string(base::as_text(hash.finish()));
}

void write_member(Writer& out, const IndexedMember& member) {
  const Entry& entry = member.entry;
  for (uint64_t value :
       {uint64_t(entry.type), uint64_t{entry.mode}, uint64_t(entry.uid), uint64_t(entry.gid),
        entry.size, zigzag(entry.mtime.sec), uint64_t{entry.mtime.nsec}, uint64_t{entry.dev_major},
        uint64_t{entry.dev_minor}, member.offset})
    out.number(value);
  out.text(entry.path);
  out.text(entry.link);
  out.number(entry.xattrs.size());
  for (const auto& [name, value] : entry.xattrs) {
    out.text(name);
    out.text(value);
  }
}

IndexedMember read_member(Reader& in, uint64_t tar_bytes) {
  IndexedMember member;
  Entry& entry = member.entry;
  entry.type = static_cast<EntryType>(in.number(static_cast<uint64_t>(EntryType::kFifo)));
  entry.mode = static_cast<uint32_t>(in.number(07777));
  entry.uid = static_cast<int64_t>(in.number(UINT32_MAX - 1));
  entry.gid = static_cast<int64_t>(in.number(UINT32_MAX - 1));
  entry.size = in.number(tar_bytes);
  entry.mtime.sec = unzigzag(in.number());
  entry.mtime.nsec = static_cast<uint32_t>(in.number(999'999'999));
  entry.dev_major = static_cast<uint32_t>(in.number(0xfff));
  entry.dev_minor = static_cast<uint32_t>(in.number(0xfffff));
  member.offset = in.number(tar_bytes - entry.size);
  entry.path = in.text();
  entry.link = in.text();
  for (size_t left = in.count(2); left > 0; --left) {
    std::string name(in.text());
    entry.xattrs.emplace(std::move(name), in.text());
  }
  return member;
}

void read_points(Reader& in, SeekIndex& index) {
  RestartPoint before;
  for (size_t left = in.count(4); left > 0; --left) {
    RestartPoint point;
    point.tar_offset = before.tar_offset + in.number(index.tar_bytes - before.tar_offset);
    point.blob_offset = before.blob_offset + in.number(INT64_MAX - before.blob_offset);
    point.bits = static_cast<uint8_t>(in.number(7));
    if (point.bits > 0 && point.blob_offset == 0) corrupt("bits before the beginning");
    point.window = in.text();
    before = {point.tar_offset, point.blob_offset, 0, {}};
    index.points.push_back(std::move(point));
  }
  const bool packed = index.compression != Compression::kNone;
  if (packed == index.points.empty() || (packed && index.points.front().tar_offset != 0))
    corrupt("there is no place to begin");
}

}  // namespace

std::string SeekIndex::format() const {
  Writer out;
  out.raw(kHeading);
  out.text(blob.str());
  out.text(diff_id.str());
  out.number(tar_bytes);
  out.number(static_cast<uint64_t>(compression));
  out.number(points.size());
  RestartPoint before;
  for (const RestartPoint& point : points) {
    out.number(point.tar_offset - before.tar_offset);
    out.number(point.blob_offset - before.blob_offset);
    out.number(point.bits);
    out.text(point.window);
    before = {point.tar_offset, point.blob_offset, 0, {}};
  }
  out.number(chunks.size());
  for (const ChunkDigest& digest : chunks) out.raw(base::as_text(digest));
  out.number(members.size());
  for (const IndexedMember& member : members) write_member(out, member);
  out.raw(digest_of(out.out()));
  return std::move(out.out());
}

SeekIndex SeekIndex::parse(std::string_view text) {
  if (!text.starts_with(kHeading)) corrupt("another format");
  if (text.size() < kHeading.size() + kDigestBytes) corrupt("it is cut short");
  const std::string_view body = text.substr(0, text.size() - kDigestBytes);
  if (digest_of(body) != text.substr(body.size())) corrupt("its checksum does not match");
  Reader in(body.substr(kHeading.size()));
  const auto blob = oci::Digest::try_parse(in.text());
  const auto diff_id = oci::Digest::try_parse(in.text());
  if (!blob || !diff_id) corrupt("a digest is malformed");
  SeekIndex index{.blob = *blob, .diff_id = oci::DiffId(*diff_id)};
  index.tar_bytes = in.number(INT64_MAX);
  index.compression =
      static_cast<Compression>(in.number(static_cast<uint64_t>(Compression::kZstd)));
  read_points(in, index);
  const size_t chunks = in.count(kDigestBytes);
  if (chunks != (index.tar_bytes + kChunkBytes - 1) / kChunkBytes) corrupt("chunks are missing");
  index.chunks.resize(chunks);
  for (ChunkDigest& digest : index.chunks)
    std::memcpy(digest.data(), in.raw(kDigestBytes).data(), kDigestBytes);
  const size_t members = in.count(13);
  index.members.reserve(std::min<size_t>(members, 1 << 16));
  for (size_t i = 0; i < members; ++i) index.members.push_back(read_member(in, index.tar_bytes));
  if (!in.empty()) corrupt("something follows it");
  return index;
}

}  // namespace layer
