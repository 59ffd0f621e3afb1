#include "store/archive/tar_index.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace archive {

namespace {

constexpr size_t kBlock = 512;
constexpr uint64_t kMaxHeaderBytes = 1 << 20;  // one pax header or long name
constexpr size_t kMaxMembers = 100'000;
constexpr int kMaxLinks = 40;

/// Octal with blanks and NULs around it, or base-256 with the top bit set. [GNU tar manual]
std::optional<uint64_t> parse_number(std::string_view field) {
  uint64_t value = 0;
  if (!field.empty() && (static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    if (static_cast<unsigned char>(field[0]) != 0x80) return std::nullopt;  // negative or huge
    for (char c : field.substr(1)) {
      if (value >> 55 != 0) return std::nullopt;
      value = (value << 8) | static_cast<unsigned char>(c);
    }
    return value;
  }
  std::string_view digits = base::trim(field, std::string_view(" \0", 2));
  for (char c : digits) {
    if (c < '0' || c > '7') return std::nullopt;
    value = (value << 3) | static_cast<uint64_t>(c - '0');
  }
  return value;
}

std::string_view text_field(std::string_view block, size_t offset, size_t size) {
  std::string_view field = block.substr(offset, size);
  return field.substr(0, field.find('\0'));
}

/// What pax headers and GNU long names say about the next member.
struct Override {
  std::optional<std::string> path;
  std::optional<std::string> link;
  std::optional<uint64_t> size;
};

class Scanner {
 public:
  Scanner(std::shared_ptr<const sys::UniqueFd> fd, uint64_t file_size, std::string name)
      : fd_(std::move(fd)), file_size_(file_size), name_(std::move(name)) {}

  struct Member {
    uint64_t offset = 0;
    uint64_t size = 0;
    std::string link;  // of a link: the path it means, from the root
  };
  std::map<std::string, Member> scan() {
    std::string block;
    while (read_block(block)) {
      if (block.find_first_not_of('\0') == std::string::npos) break;
      if (!is_tar_header(block)) fail(base::Code::kInvalid, "is not a tar header");
      take(block);
    }
    return std::move(members_);
  }

 private:
  [[noreturn]] void fail(base::Code code, const std::string& what) const {
    throw base::Error(code, base::str(name_, ": the block at byte ", header_, " ", what),
                      "bad-tar");
  }

  bool read_block(std::string& block) {
    header_ = offset_;
    if (offset_ == file_size_) return false;
    if (file_size_ - offset_ < kBlock) fail(base::Code::kCorrupt, "is cut short");
    block = FileSlice(fd_, offset_, kBlock, name_).read_text(kBlock);
    offset_ += kBlock;
    return true;
  }

  /// Content of the member whose header was just read, and moves past it.
  std::string read_header_content(uint64_t size) {
    if (size > kMaxHeaderBytes) fail(base::Code::kInvalid, "announces an oversized header");
    std::string text = FileSlice(fd_, offset_, size, name_).read_text(size);
    skip(size);
    return text;
  }

  void skip(uint64_t size) {
    uint64_t rest = file_size_ - offset_;
    if (size > rest) fail(base::Code::kCorrupt, "announces more bytes than there are");
    uint64_t padded = (size + kBlock - 1) / kBlock * kBlock;
    // The last member's padding may be missing.
    offset_ += std::min(padded, rest);
  }

  void read_pax(std::string_view records) {
    while (!records.empty()) {
      size_t blank = records.find(' ');
      auto length = base::parse_decimal(records.substr(0, blank));
      if (blank == std::string_view::npos || !length || *length > records.size() ||
          *length <= blank + 1 || records[*length - 1] != '\n')
        fail(base::Code::kInvalid, "holds a malformed pax record");
      std::string_view record = records.substr(blank + 1, *length - blank - 2);
      records.remove_prefix(*length);
      size_t equals = record.find('=');
      if (equals == std::string_view::npos)
        fail(base::Code::kInvalid, "holds a malformed pax record");
      std::string_view key = record.substr(0, equals);
      std::string_view value = record.substr(equals + 1);
      if (key == "path") override_.path = value;
      if (key == "linkpath") override_.link = value;
      if (key == "size") {
        override_.size = base::parse_decimal(value);
        if (!override_.size) fail(base::Code::kInvalid, "holds a malformed pax size");
      }
    }
  }

  void take(std::string_view block) {
    auto size = parse_number(block.substr(124, 12));
    if (!size || *size > INT64_MAX) fail(base::Code::kInvalid, "has a malformed size");
    char type = block[156];
    if (type == 'x') return read_pax(read_header_content(*size));
    if (type == 'g') return void(read_header_content(*size));
    if (type == 'L' || type == 'K') {
      std::string text = read_header_content(*size);
      text.resize(std::min(text.find('\0'), text.size()));
      (type == 'L' ? override_.path : override_.link) = std::move(text);
      return;
    }
    Override say = std::exchange(override_, {});
    std::string path(text_field(block, 0, 100));
    if (std::string_view prefix = text_field(block, 345, 155);
        !prefix.empty() && block.substr(257, 6) == std::string_view("ustar\0", 6))
      path = base::str(prefix, "/", path);
    if (say.path) path = *say.path;
    std::string link = say.link ? *say.link : std::string(text_field(block, 157, 100));
    add(type, path, link, say.size.value_or(*size));
  }

  void add(char type, const std::string& path, const std::string& link, uint64_t size) {
    bool is_link = type == '1' || type == '2';
    uint64_t content = offset_;
    skip(is_link || type == '5' ? 0 : size);
    if (members_.size() >= kMaxMembers) fail(base::Code::kInvalid, "is one member too many");
    if (path.find('\0') != std::string::npos || link.find('\0') != std::string::npos)
      fail(base::Code::kInvalid, "has a NUL byte in a name");
    sys::RootedPath at(path);
    if (type == '0' || type == '\0' || type == '7')
      members_[at.str()] = {content, size, ""};
    else if (is_link)
      members_[at.str()] = {0, 0,
                            (type == '1' ? sys::RootedPath(link) : at.parent().join(link)).str()};
    // Directories and anything else hold no documents and no blobs.
  }

  std::shared_ptr<const sys::UniqueFd> fd_;
  uint64_t file_size_;
  std::string name_;
  uint64_t offset_ = 0;
  uint64_t header_ = 0;  // where the current header began
  Override override_;
  std::map<std::string, Member> members_;
};

class TarFiles : public FileSet {
 public:
  TarFiles(std::shared_ptr<const sys::UniqueFd> fd, uint64_t size, std::string name)
      : fd_(std::move(fd)), name_(std::move(name)) {
    members_ = Scanner(fd_, size, name_).scan();
  }

  std::optional<FileSlice> find(const sys::RootedPath& path) const override {
    std::string key = path.str();
    for (int links = 0; links < kMaxLinks; ++links) {
      auto at = members_.find(key);
      if (at == members_.end()) return std::nullopt;
      const Scanner::Member& member = at->second;
      if (member.link.empty())
        return FileSlice(fd_, member.offset, member.size, name_ + base::printable(path.str()));
      key = member.link;
    }
    throw base::Error(base::Code::kInvalid,
                      base::str(name_, base::printable(path.str()), ": a loop of links"),
                      "too-many-links");
  }
  const std::string& name() const override { return name_; }

 private:
  std::shared_ptr<const sys::UniqueFd> fd_;
  std::string name_;
  std::map<std::string, Scanner::Member> members_;
};

}  // namespace

bool is_tar_header(std::string_view block) {
  if (block.size() < kBlock) return false;
  auto claimed = parse_number(block.substr(148, 8));
  if (!claimed) return false;
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  return sum == *claimed;
}

std::unique_ptr<FileSet> tar_files(sys::UniqueFd fd, std::string name) {
  struct stat st;
  if (::fstat(fd.get(), &st) < 0) base::throw_errno("stat " + name);
  return std::make_unique<TarFiles>(std::make_shared<sys::UniqueFd>(std::move(fd)),
                                    static_cast<uint64_t>(st.st_size), base::printable(name));
}

}  // namespace archive
