#include "store/layer/tar_writer.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/pax.h"
#include "store/layer/tar_header.h"

namespace layer {

namespace {

constexpr size_t kBufferSize = 1 << 20;
constexpr uint64_t kMaxOctal7 = 07777777;
constexpr uint64_t kMaxOctal11 = 077777777777;

using HeaderBytes = std::array<char, kBlockBytes>;

// `width` - 1 digits and a NUL; 0 for what a pax record says instead.
void put_octal(HeaderBytes& header, size_t offset, size_t width, uint64_t value) {
  if (width == 8 && value > kMaxOctal7) value = 0;
  if (width == 12 && value > kMaxOctal11) value = 0;
  for (size_t i = width - 1; i-- > 0; value >>= 3)
    header[offset + i] = static_cast<char>('0' + (value & 7));
}

void put_text(HeaderBytes& header, size_t offset, size_t width, std::string_view text) {
  text = text.substr(0, width);
  if (!text.empty()) std::memcpy(header.data() + offset, text.data(), text.size());
}

char type_char(EntryType type) {
  switch (type) {
    case EntryType::kHardlink:
      return '1';
    case EntryType::kSymlink:
      return '2';
    case EntryType::kChar:
      return '3';
    case EntryType::kBlock:
      return '4';
    case EntryType::kDirectory:
      return '5';
    case EntryType::kFifo:
      return '6';
    default:
      return '0';
  }
}

struct SplitName {
  std::string_view prefix;
  std::string_view name;
  bool fits = true;
};

// At the first slash that leaves at most 100 bytes behind it.
SplitName split_name(std::string_view path) {
  if (path.size() <= 100) return {{}, path};
  size_t slash = path.find('/', path.size() - 101);
  if (slash == std::string_view::npos || slash == 0 || slash > 155 || slash + 1 == path.size())
    return {{}, path.substr(0, 100), false};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string pax_records(const Entry& entry, bool path_fits) {
  // Sorted by key; attribute names come last and are sorted by the map.
  std::string records;
  if (static_cast<uint64_t>(entry.gid) > kMaxOctal7)
    append_pax(records, "gid", std::to_string(entry.gid));
  if (entry.link.size() > 100) append_pax(records, "linkpath", entry.link);
  if (entry.mtime.sec < 0 || static_cast<uint64_t>(entry.mtime.sec) > kMaxOctal11)
    append_pax(records, "mtime", std::to_string(entry.mtime.sec));
  if (!path_fits) append_pax(records, "path", entry.path);
  if (entry.size > kMaxOctal11) append_pax(records, "size", std::to_string(entry.size));
  if (static_cast<uint64_t>(entry.uid) > kMaxOctal7)
    append_pax(records, "uid", std::to_string(entry.uid));
  for (const auto& [name, value] : entry.xattrs) append_pax(records, "SCHILY.xattr." + name, value);
  return records;
}

// Must not depend on anything but the member's name.
std::string pax_name(std::string_view path) {
  if (path.ends_with('/')) path.remove_suffix(1);
  return base::str("PaxHeaders.0/", path.substr(path.rfind('/') + 1).substr(0, 80));
}

[[noreturn]] void throw_changed(const std::string& name) {
  throw base::Error(base::Code::kUnavailable,
                    base::printable(name, 200) + " changed while it was read", "files-changed");
}

}  // namespace

TarWriter::TarWriter(base::Sink& out) : out_(out), buffer_(kBufferSize) {}

void TarWriter::flush() {
  out_.write(base::Bytes(buffer_).first(used_));
  used_ = 0;
}

void TarWriter::put(std::string_view text) { write(base::as_bytes(text)); }

void TarWriter::write(base::Bytes bytes) {
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    size_t n = std::min(bytes.size(), buffer_.size() - used_);
    std::memcpy(buffer_.data() + used_, bytes.data(), n);
    used_ += n;
    bytes = bytes.subspan(n);
    if (used_ == buffer_.size()) flush();
  }
}

void TarWriter::pad() {
  static constexpr char kZeros[kBlockBytes] = {};
  put({kZeros, (kBlockBytes - bytes_ % kBlockBytes) % kBlockBytes});
}

// At most what fits the buffer; 0 at the end of the file.
size_t TarWriter::read_from(int fd, uint64_t most, const std::string& name) {
  size_t wanted = static_cast<size_t>(std::min<uint64_t>(most, buffer_.size() - used_));
  ssize_t n;
  do {
    n = ::read(fd, buffer_.data() + used_, wanted);
  } while (n < 0 && errno == EINTR);
  if (n < 0) base::throw_errno("read " + base::printable(name, 200));
  return static_cast<size_t>(n);
}

void TarWriter::take(size_t size) {
  used_ += size;
  bytes_ += size;
  if (used_ == buffer_.size()) flush();
}

void TarWriter::write_from(int fd, uint64_t size, const std::string& name) {
  for (uint64_t left = size;;) {
    // One byte more than announced must not be there.
    size_t room = buffer_.size() - used_;
    size_t n = read_from(fd, left + 1, name);
    if (n == 0 && left == 0) return;
    if (n == 0 || n > left) throw_changed(name);
    take(n);
    left -= n;
    if (left == 0 && n < room) return;  // a short read: the end
  }
}

void TarWriter::write_part_from(int fd, uint64_t size, const std::string& name) {
  for (uint64_t left = size; left > 0;) {
    size_t n = read_from(fd, left, name);
    if (n == 0) throw_changed(name);
    take(n);
    left -= n;
  }
}

void TarWriter::put_header(const Entry& entry, std::string_view name, std::string_view prefix,
                           char type, uint64_t size) {
  HeaderBytes header = {};
  put_text(header, 0, 100, name);
  put_octal(header, 100, 8, entry.mode & 07777);
  put_octal(header, 108, 8, static_cast<uint64_t>(entry.uid));
  put_octal(header, 116, 8, static_cast<uint64_t>(entry.gid));
  put_octal(header, 124, 12, size);
  put_octal(header, 136, 12, entry.mtime.sec < 0 ? 0 : static_cast<uint64_t>(entry.mtime.sec));
  std::memset(header.data() + 148, ' ', 8);
  header[156] = type;
  put_text(header, 157, 100, entry.link);
  put_text(header, 257, 8, std::string_view("ustar\00000", 8));
  put_octal(header, 329, 8, entry.dev_major);
  put_octal(header, 337, 8, entry.dev_minor);
  put_text(header, 345, 155, prefix);
  uint64_t sum = 0;
  for (char c : header) sum += static_cast<unsigned char>(c);
  for (size_t i = 6; i-- > 0; sum >>= 3) header[148 + i] = static_cast<char>('0' + (sum & 7));
  header[154] = '\0';
  put({header.data(), header.size()});
}

void TarWriter::begin(const Entry& entry) {
  pad();
  SplitName split = split_name(entry.path);
  std::string records = pax_records(entry, split.fits);
  if (!records.empty()) {
    Entry meta;
    meta.mode = 0644;
    put_header(meta, pax_name(entry.path), {}, 'x', records.size());
    put(records);
    pad();
  }
  put_header(entry, split.name, split.prefix, type_char(entry.type), entry.size);
}

void TarWriter::finish() {
  pad();
  static constexpr char kZeros[2 * kBlockBytes] = {};
  put({kZeros, sizeof kZeros});
  flush();
}

}  // namespace layer
