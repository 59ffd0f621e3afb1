// The rules are those of Go's archive/tar, which reads the layers and archives of the engines we
// must agree with; kImage adds refusals. Where archives disagree with themselves:
//
//   several extended headers before a member   the last one counts, alone
//   pax "path" and GNU long name               the GNU long name
//   pax "size" and the header's                pax
//   size of links, directories, devices        ignored: they have no content
//   type NUL and a name ending in "/"          a directory
//   one zero block, then the end               the end
//   one zero block, then something else        an error

#include "store/layer/tar_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/compression.h"
#include "store/layer/pax.h"
#include "store/layer/sparse.h"
#include "store/layer/tar_header.h"

namespace layer {

namespace {

constexpr size_t kBufferSize = 256 * 1024;
constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";
constexpr int64_t kMaxId = 0xfffffffe;  // (uid_t)-1 means "keep" to chown

/// The archive's bytes with a look-ahead of at least one block.
class Window {
 public:
  explicit Window(base::Source& source) : source_(source), buffer_(kBufferSize) {}

  /// At least `wanted` bytes unless the source ends.
  std::string_view peek(size_t wanted) {
    if (rest_.size() < wanted && !ended_) {
      if (!rest_.empty()) std::memmove(buffer_.data(), rest_.data(), rest_.size());
      size_t filled = rest_.size();
      // No further than asked: what is wrong behind the end of an archive is nobody's business
      // here.
      while (filled < wanted && !ended_) {
        size_t n = source_.read(std::span(buffer_).subspan(filled));
        ended_ = n == 0;
        filled += n;
      }
      rest_ = std::span(buffer_).first(filled);
    }
    return base::as_text(rest_);
  }
  void consume(size_t n) {
    rest_ = rest_.subspan(n);
    offset_ += n;
  }
  uint64_t offset() const { return offset_; }

 private:
  base::Source& source_;
  std::vector<std::byte> buffer_;
  std::span<std::byte> rest_;
  uint64_t offset_ = 0;
  bool ended_ = false;
};

/// A header block taken apart. Numbers as they stand, possibly negative.
struct Header {
  char type = '0';
  std::string name;
  std::string link;
  int64_t mode = 0, uid = 0, gid = 0, size = 0, mtime = 0, dev_major = 0, dev_minor = 0;
  Dialect dialect = Dialect::kV7;
};

bool has_content(char type) { return type < '1' || type > '6'; }

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

constexpr std::array<char, 4096> kZeros = {};

}  // namespace

class TarReader::State : public base::Source {
 public:
  State(base::Source& source, const Limits& limits, Strictness strictness)
      : window_(source), limits_(limits), strict_(strictness == Strictness::kImage) {}

  bool next(Entry& entry);
  bool begins();
  base::Bytes next_piece();
  uint64_t hole_bytes() const;
  void skip_hole() { position_ += hole_bytes(); }
  uint64_t content_offset() const { return window_.offset(); }
  void drain();

  size_t read(std::span<std::byte> buffer) override {
    if (piece_.empty()) piece_ = next_piece();
    size_t n = std::min(buffer.size(), piece_.size());
    if (n > 0) std::memcpy(buffer.data(), piece_.data(), n);
    piece_ = piece_.subspan(n);
    return n;
  }

 private:
  [[noreturn]] void invalid(const std::string& rule) const {
    throw base::Error(base::Code::kInvalid, base::str("tar: ", where(), ": ", rule), "tar-invalid");
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    throw base::Error(base::Code::kUnsupported, base::str("tar: ", where(), ": ", what),
                      "tar-unsupported");
  }
  [[noreturn]] void cut(const std::string& inside) const {
    throw base::Error(base::Code::kCorrupt,
                      base::str("tar: ", where(), ": the archive ends inside ", inside), "tar-cut");
  }
  std::string where() const {
    if (!name_.empty()) return "member " + base::printable(name_, 200);
    return base::str("header at byte ", header_offset_);
  }

  void skip_content();
  std::optional<Header> read_header();
  Header parse_header(Block block);
  void parse_posix_fields(Block block, Header& header);
  int64_t number(Block block, size_t offset, size_t size, const char* name);
  std::string read_special(int64_t size, uint64_t limit, const char* what);
  PaxRecords read_pax(const Header& header);
  void apply_pax(const PaxRecords& records, Header& header, Entry& entry);
  void apply_xattr(std::string_view name, const std::string& value, Entry& entry);
  void finish(Header& header, Entry& entry);
  void begin_content(const Header& header);
  void begin_sparse(const PaxRecords& records, Header& header);
  void classify(const Header& header, Entry& entry);
  void check_limits(const Entry& entry);
  base::Bytes physical_piece(uint64_t wanted);

  Window window_;
  Limits limits_;
  bool strict_;
  bool ended_ = false;
  bool seen_global_ = false;
  std::string name_;  // of the member being read, for messages
  uint64_t header_offset_ = 0;
  uint64_t entries_ = 0;
  uint64_t total_ = 0;  // content of all members so far

  uint64_t stored_ = 0;  // bytes of the current member still in the archive
  uint64_t padding_ = 0;
  uint64_t position_ = 0;          // in the content, holes included
  uint64_t size_ = 0;              // of the content, holes included
  std::vector<SparseRegion> map_;  // data regions; empty for ordinary members
  size_t region_ = 0;
  bool sparse_ = false;
  TarTime mtime_;
  uint64_t xattr_bytes_ = 0;
  base::Bytes piece_;  // what read() has not given yet
};

int64_t TarReader::State::number(Block block, size_t offset, size_t size, const char* name) {
  std::optional<int64_t> value = parse_number(field(block, offset, size));
  if (!value) invalid(base::str(name, " field is not a number"));
  return *value;
}

void TarReader::State::parse_posix_fields(Block block, Header& header) {
  header.dev_major = number(block, 329, 8, "device major");
  header.dev_minor = number(block, 337, 8, "device minor");
  std::string_view prefix;
  if (header.dialect == Dialect::kUstar) {
    prefix = parse_text(field(block, 345, 155));
  } else if (header.dialect == Dialect::kStar) {
    prefix = parse_text(field(block, 345, 131));
    number(block, 476, 12, "access time");
    number(block, 488, 12, "change time");
  } else {
    // Old writers put a prefix into GNU headers too, over the two times; so text there is one.
    auto is_time = [&](size_t at) {
      return block[at] == 0 || parse_number(field(block, at, 12)).has_value();
    };
    if (!is_time(345) || !is_time(357)) {
      std::string_view text = parse_text(field(block, 345, 155));
      if (is_ascii(text)) prefix = text;
    }
  }
  if (!prefix.empty()) header.name = base::str(prefix, "/", header.name);
}

Header TarReader::State::parse_header(Block block) {
  Header header;
  header.dialect = dialect_of(block);
  if (header.dialect == Dialect::kUnknown) invalid("header checksum does not match");
  header.type = block[156];
  header.name = parse_text(field(block, 0, 100));
  header.link = parse_text(field(block, 157, 100));
  name_ = header.name;
  header.mode = number(block, 100, 8, "mode");
  header.uid = number(block, 108, 8, "uid");
  header.gid = number(block, 116, 8, "gid");
  header.size = number(block, 124, 12, "size");
  header.mtime = number(block, 136, 12, "mtime");
  if (header.dialect != Dialect::kV7) parse_posix_fields(block, header);
  return header;
}

// nullopt at the end of the archive.
std::optional<Header> TarReader::State::read_header() {
  name_.clear();
  header_offset_ = window_.offset();
  std::string_view bytes = window_.peek(kBlockBytes);
  if (bytes.empty()) return std::nullopt;
  if (bytes.size() < kBlockBytes) cut("a header");
  Block block(bytes.data(), kBlockBytes);
  bool zero = std::all_of(block.begin(), block.end(), [](char c) { return c == 0; });
  if (!zero) {
    Header header = parse_header(block);
    window_.consume(kBlockBytes);
    return header;
  }
  window_.consume(kBlockBytes);
  bytes = window_.peek(kBlockBytes);
  if (bytes.empty()) return std::nullopt;
  if (bytes.size() < kBlockBytes) cut("the end-of-archive blocks");
  bytes = bytes.substr(0, kBlockBytes);
  if (!std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; }))
    invalid("a block of zeros is followed by something else");
  window_.consume(kBlockBytes);
  return std::nullopt;
}

void TarReader::State::skip_content() {
  piece_ = {};
  while (stored_ > 0) {
    if (physical_piece(stored_).empty()) cut("its content");
  }
  // The padding of the last member may be missing.
  while (padding_ > 0) {
    std::string_view bytes = window_.peek(1);
    if (bytes.empty()) break;
    size_t n = std::min<uint64_t>(padding_, bytes.size());
    window_.consume(n);
    padding_ -= n;
  }
  padding_ = 0;
}

base::Bytes TarReader::State::physical_piece(uint64_t wanted) {
  std::string_view bytes = window_.peek(1);
  bytes = bytes.substr(0, std::min({wanted, stored_, static_cast<uint64_t>(bytes.size())}));
  window_.consume(bytes.size());
  stored_ -= bytes.size();
  return base::as_bytes(bytes);
}

std::string TarReader::State::read_special(int64_t size, uint64_t limit, const char* what) {
  if (size < 0) invalid(base::str("negative size of ", what));
  if (static_cast<uint64_t>(size) > limit)
    invalid(base::str(what, " of ", size, " bytes, the limit is ", limit));
  stored_ = static_cast<uint64_t>(size);
  padding_ = (kBlockBytes - stored_ % kBlockBytes) % kBlockBytes;
  std::string text;
  text.reserve(stored_);
  while (stored_ > 0) {
    base::Bytes piece = physical_piece(stored_);
    if (piece.empty()) cut(what);
    text += base::as_text(piece);
  }
  return text;
}

PaxRecords TarReader::State::read_pax(const Header& header) {
  std::string data = read_special(header.size, limits_.pax_bytes, "a pax header");
  std::optional<PaxRecords> records = parse_pax(data);
  if (!records) invalid("malformed pax record");
  return std::move(*records);
}

void TarReader::State::apply_xattr(std::string_view name, const std::string& value, Entry& entry) {
  if (value.size() > limits_.xattr_value_bytes && strict_)
    invalid(base::str("attribute ", base::printable(name, 100), " of ", value.size(),
                      " bytes, the limit is ", limits_.xattr_value_bytes));
  xattr_bytes_ += value.size();
  if (xattr_bytes_ > limits_.xattr_bytes)
    invalid(base::str("attributes above the limit of ", limits_.xattr_bytes, " bytes"));
  entry.xattrs.emplace(name, value);
}

void TarReader::State::apply_pax(const PaxRecords& records, Header& header, Entry& entry) {
  auto set_number = [&](const char* key, const std::string& value, int64_t& target) {
    std::optional<int64_t> parsed = parse_signed(value);
    if (!parsed) invalid(base::str("pax record ", key, " is not a number"));
    target = *parsed;
  };
  xattr_bytes_ = 0;
  for (const auto& [key, value] : records) {
    // An empty value takes a record back; for an attribute it is a value like any other.
    if (key.starts_with(kXattrPrefix)) {
      apply_xattr(std::string_view(key).substr(kXattrPrefix.size()), value, entry);
      continue;
    }
    if (value.empty()) continue;
    if (key == "path") header.name = value;
    if (key == "linkpath") header.link = value;
    if (key == "uid") set_number("uid", value, header.uid);
    if (key == "gid") set_number("gid", value, header.gid);
    if (key == "size") set_number("size", value, header.size);
    if (key == "mtime" || key == "atime" || key == "ctime") {
      std::optional<TarTime> time = parse_pax_time(value);
      if (!time) invalid(base::str("pax record ", key, " is not a time"));
      if (key == "mtime") mtime_ = *time;
    }
  }
}

void TarReader::State::begin_content(const Header& header) {
  uint64_t size = 0;
  if (has_content(header.type)) {
    if (header.size < 0) invalid("negative size");
    size = static_cast<uint64_t>(header.size);
  }
  stored_ = size_ = size;
  padding_ = (kBlockBytes - size % kBlockBytes) % kBlockBytes;
  position_ = 0;
  sparse_ = false;
  map_.clear();
  region_ = 0;
  piece_ = {};
}

void TarReader::State::begin_sparse(const PaxRecords& records, Header& header) {
  SparseForm form = sparse_form(records);
  if (form == SparseForm::kNone) return;
  if (strict_) unsupported("GNU sparse members are not part of the layer format");
  auto text = [&](std::string_view key) {
    auto found = records.find(key);
    return found == records.end() ? std::string() : found->second;
  };
  if (std::string name = text("GNU.sparse.name"); !name.empty()) {
    if (name.find('\0') != std::string::npos) invalid("sparse name holds a NUL byte");
    header.name = name;
  }
  std::string size = text("GNU.sparse.size");
  if (size.empty()) size = text("GNU.sparse.realsize");
  if (!size.empty()) {
    std::optional<int64_t> real = parse_signed(size);
    if (!real) invalid("sparse size is not a number");
    header.size = *real;
  }
  std::string block;
  auto read_block = [&]() -> std::string_view {
    block.clear();
    while (block.size() < kBlockBytes) {
      base::Bytes piece = physical_piece(kBlockBytes - block.size());
      if (piece.empty()) return {};
      block += base::as_text(piece);
    }
    return block;
  };
  std::optional<std::vector<SparseRegion>> map =
      form == SparseForm::kMapInData ? parse_sparse_data(read_block, limits_.sparse_regions)
                                     : parse_sparse_records(records, limits_.sparse_regions);
  if (!map || !has_content(header.type) || !valid_sparse_map(*map, header.size))
    invalid("malformed sparse map");
  map_ = std::move(*map);
  sparse_ = true;
  size_ = static_cast<uint64_t>(header.size);
}

void TarReader::State::classify(const Header& header, Entry& entry) {
  switch (header.type) {
    case '\0':
      entry.type = header.name.ends_with('/') ? EntryType::kDirectory : EntryType::kFile;
      break;
    case '0':
      entry.type = EntryType::kFile;
      break;
    case '1':
      entry.type = EntryType::kHardlink;
      break;
    case '2':
      entry.type = EntryType::kSymlink;
      break;
    case '3':
      entry.type = EntryType::kChar;
      break;
    case '4':
      entry.type = EntryType::kBlock;
      break;
    case '5':
      entry.type = EntryType::kDirectory;
      break;
    case '6':
      entry.type = EntryType::kFifo;
      break;
    case '7':
      // "Contiguous": a hint to file systems long gone. The reference does not take it from users.
      if (strict_) {
        entry.type = EntryType::kFile;
        break;
      }
      [[fallthrough]];
    default:
      entry.type = EntryType::kUnknown;
      break;
  }
}

void TarReader::State::check_limits(const Entry& entry) {
  if (++entries_ > limits_.entries) invalid(base::str("more than ", limits_.entries, " members"));
  if (entry.size > limits_.unpacked_bytes - total_)
    throw base::Error(base::Code::kInvalid,
                      base::str("tar: ", where(), ": content above the limit of ",
                                limits_.unpacked_bytes, " bytes"),
                      "layer-too-large");
  total_ += entry.size;
  if (!strict_) return;
  if (entry.path.empty()) invalid("the name is empty");
  if (entry.path.size() > limits_.long_name_bytes || entry.link.size() > limits_.long_name_bytes)
    invalid(base::str("a name above ", limits_.long_name_bytes, " bytes"));
  if (entry.uid < 0 || entry.uid > kMaxId)
    invalid(base::str("uid ", entry.uid, " is not in 0..4294967294"));
  if (entry.gid < 0 || entry.gid > kMaxId)
    invalid(base::str("gid ", entry.gid, " is not in 0..4294967294"));
}

void TarReader::State::finish(Header& header, Entry& entry) {
  classify(header, entry);
  if (strict_ && entry.type == EntryType::kUnknown)
    unsupported(base::str("unknown member type ", base::printable({&header.type, 1})));
  bool links = entry.type == EntryType::kSymlink || entry.type == EntryType::kHardlink;
  bool device = entry.type == EntryType::kChar || entry.type == EntryType::kBlock;
  entry.path = std::move(header.name);
  name_ = entry.path;
  entry.mode = static_cast<uint32_t>(header.mode) & 07777;
  entry.uid = header.uid;
  entry.gid = header.gid;
  entry.mtime = mtime_;
  entry.size = entry.type == EntryType::kDirectory ? 0 : size_;
  if (links) entry.link = std::move(header.link);
  if (device) {
    // The kernel's dev_t: 12 bits and 20 bits.
    if (header.dev_major < 0 || header.dev_major > 0xfff || header.dev_minor < 0 ||
        header.dev_minor > 0xfffff)
      invalid("device number out of range");
    entry.dev_major = static_cast<uint32_t>(header.dev_major);
    entry.dev_minor = static_cast<uint32_t>(header.dev_minor);
  }
  check_limits(entry);
}

bool TarReader::State::next(Entry& entry) {
  if (ended_) return false;
  PaxRecords records;
  std::optional<std::string> long_name;
  std::optional<std::string> long_link;
  bool announced = false;  // something was said about a member that must follow
  for (;;) {
    skip_content();
    std::optional<Header> header = read_header();
    if (!header) {
      if (announced && strict_) cut("an extended header's member");
      ended_ = true;
      return false;
    }
    mtime_ = {header->mtime, 0};
    uint64_t name_limit = strict_ ? limits_.long_name_bytes + 1 : limits_.pax_bytes;
    switch (header->type) {
      case 'x':
        records = read_pax(*header);
        announced = true;
        continue;
      case 'g': {
        // Global records are checked and forgotten: nobody who reads layers applies them.
        Entry ignored;
        Header copy = *header;
        apply_pax(read_pax(*header), copy, ignored);
        records.clear();
        long_name.reset();
        long_link.reset();
        announced = false;
        seen_global_ = true;
        continue;
      }
      case 'L':
        long_name = parse_text(read_special(header->size, name_limit, "a GNU long name"));
        announced = true;
        continue;
      case 'K':
        long_link = parse_text(read_special(header->size, name_limit, "a GNU long link"));
        announced = true;
        continue;
      default:
        break;
    }
    entry = Entry{};
    apply_pax(records, *header, entry);
    if (long_name && !long_name->empty()) header->name = *long_name;
    if (long_link && !long_link->empty()) header->link = *long_link;
    name_ = header->name;
    begin_content(*header);
    begin_sparse(records, *header);
    finish(*header, entry);
    return true;
  }
}

bool TarReader::State::begins() {
  try {
    Entry entry;
    return next(entry) || seen_global_;
  } catch (const base::Error&) {
    if (seen_global_) return true;
    throw;
  }
}

uint64_t TarReader::State::hole_bytes() const {
  if (!sparse_ || position_ >= size_) return 0;
  size_t region = region_;
  while (region < map_.size() &&
         static_cast<uint64_t>(map_[region].offset + map_[region].length) <= position_)
    ++region;
  if (region == map_.size()) return size_ - position_;
  uint64_t start = static_cast<uint64_t>(map_[region].offset);
  return start > position_ ? start - position_ : 0;
}

base::Bytes TarReader::State::next_piece() {
  if (!piece_.empty()) return std::exchange(piece_, {});
  if (position_ >= size_) return {};
  uint64_t wanted = size_ - position_;
  if (sparse_) {
    if (uint64_t hole = hole_bytes(); hole > 0) {
      base::Bytes zeros = base::as_bytes({kZeros.data(), kZeros.size()});
      zeros = zeros.first(std::min<uint64_t>(hole, zeros.size()));
      position_ += zeros.size();
      return zeros;
    }
    while (static_cast<uint64_t>(map_[region_].offset + map_[region_].length) <= position_)
      ++region_;
    wanted = static_cast<uint64_t>(map_[region_].offset + map_[region_].length) - position_;
  }
  base::Bytes piece = physical_piece(wanted);
  if (piece.empty()) {
    if (stored_ == 0 && sparse_) invalid("the sparse map covers more than the data");
    cut("its content");
  }
  position_ += piece.size();
  return piece;
}

void TarReader::State::drain() {
  skip_content();
  ended_ = true;
  for (;;) {
    std::string_view rest = window_.peek(1);
    if (rest.empty()) return;
    window_.consume(rest.size());
  }
}

TarReader::TarReader(base::Source& source, const Limits& limits, Strictness strictness)
    : state_(std::make_unique<State>(source, limits, strictness)) {}
TarReader::~TarReader() = default;
bool TarReader::next(Entry& entry) { return state_->next(entry); }
bool TarReader::begins() { return state_->begins(); }
uint64_t TarReader::content_offset() const { return state_->content_offset(); }
base::Source& TarReader::body() { return *state_; }
base::Bytes TarReader::next_piece() { return state_->next_piece(); }
uint64_t TarReader::hole_bytes() const { return state_->hole_bytes(); }
void TarReader::skip_hole() { state_->skip_hole(); }
void TarReader::drain() { state_->drain(); }

namespace {

// Reads no further than it is asked to for the next header, so that what is wrong behind the first
// one is found by whoever unpacks the archive.
class InSmallSteps : public base::Source {
 public:
  explicit InSmallSteps(base::Source& source) : source_(source) {}
  size_t read(std::span<std::byte> buffer) override {
    return source_.read(buffer.first(std::min<size_t>(buffer.size(), 512)));
  }

 private:
  base::Source& source_;
};

}  // namespace

bool is_archive(base::Source& source) {
  try {
    std::unique_ptr<base::Source> plain = decompress_any(source);
    InSmallSteps steps(*plain);
    TarReader reader(steps, Limits{}, Strictness::kArchive);
    return reader.begins();
  } catch (const base::Error& e) {
    bool bad_bytes = e.code() == base::Code::kInvalid || e.code() == base::Code::kCorrupt ||
                     e.code() == base::Code::kUnsupported;
    if (!bad_bytes) throw;
    return false;
  }
}

}  // namespace layer
