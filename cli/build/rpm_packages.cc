#include "cli/build/rpm_packages.h"

#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "store/database.h"

namespace cli {

namespace {

// [rpm: lib/header.c, include/rpm/rpmtag.h]
enum Tag : uint32_t {
  kName = 1000,
  kVersion = 1001,
  kRelease = 1002,
  kEpoch = 1003,
  kLicense = 1014,
  kArch = 1022,
  kSourceRpm = 1044
};
enum Type : uint32_t { kInt32 = 4, kString = 6 };
constexpr size_t kEntryBytes = 16;
constexpr uint64_t kMostBytes = 256 << 20;

uint32_t number_at(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// The entries of a header that packages are told by, as text.
std::optional<std::map<uint32_t, std::string>> read_tags(std::string_view header) {
  if (header.size() < 8) return std::nullopt;
  const uint64_t entries = number_at(header, 0), data_bytes = number_at(header, 4);
  if (8 + entries * kEntryBytes + data_bytes > header.size()) return std::nullopt;
  const std::string_view data = header.substr(8 + entries * kEntryBytes, data_bytes);
  std::map<uint32_t, std::string> tags;
  for (uint64_t i = 0; i < entries; ++i) {
    const size_t at = 8 + i * kEntryBytes;
    const uint32_t tag = number_at(header, at), type = number_at(header, at + 4),
                   offset = number_at(header, at + 8);
    if (offset >= data.size()) continue;
    if (type == kString) {
      const size_t end = data.find('\0', offset);
      if (end == std::string_view::npos) return std::nullopt;
      tags.emplace(tag, data.substr(offset, end - offset));
    } else if (type == kInt32 && data.size() - offset >= 4) {
      tags.emplace(tag, base::str(number_at(data, offset)));
    }
  }
  return tags;
}

// "gcc" of "gcc-13.2.1-3.fc39.src.rpm"
std::string source_name(std::string text) {
  for (int dashes = 0; dashes < 2; ++dashes) text.resize(std::min(text.rfind('-'), text.size()));
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 2);
  auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    if (digit(text[i]) < 0 || digit(text[i + 1]) < 0) return std::nullopt;
    out += static_cast<char>(digit(text[i]) << 4 | digit(text[i + 1]));
  }
  return out;
}

bool read_all(std::string file, std::vector<Package>& packages) {
  store::Database database(std::move(file));
  store::Query query(database, "SELECT hex(blob) FROM Packages");
  while (query.step()) {
    const std::optional<std::string> header = from_hex(query.text(0));
    if (!header || !read_rpm_header(*header, packages)) return false;
  }
  return true;
}

}  // namespace

bool read_rpm_header(std::string_view header, std::vector<Package>& packages) {
  const auto tags = read_tags(header);
  if (!tags) return false;
  auto tag = [&](uint32_t number) {
    auto found = tags->find(number);
    return found == tags->end() ? std::string() : found->second;
  };
  const std::string name = tag(kName);
  if (name.empty()) return false;
  if (name == "gpg-pubkey") return true;  // a key, not a package
  const std::string epoch = tag(kEpoch);
  packages.push_back({"rpm", name,
                      base::str(epoch, epoch.empty() ? "" : ":", tag(kVersion), "-", tag(kRelease)),
                      tag(kArch), source_name(tag(kSourceRpm)), "", tag(kLicense)});
  return true;
}

bool read_rpm(const sys::Root& root, const sys::RootedPath& path, std::vector<Package>& packages) {
  const sys::RootedPath file = root.resolve(path);
  const auto st = root.lstat(file);
  if (!st || !S_ISREG(st->st_mode)) return false;
  const auto log = root.lstat(sys::RootedPath(file.str() + "-wal"));
  if (log && log->st_size > 0) return false;
  std::optional<std::string> bytes = root.read_file(file, kMostBytes);
  std::vector<Package> found;
  try {
    if (!bytes || !read_all(std::move(*bytes), found)) return false;
  } catch (const base::Error& e) {
    // Of this file only: what is wrong with it makes it one that is not read, which the user is
    // told.
    if (e.code() != base::Code::kCorrupt && e.code() != base::Code::kInvalid) throw;
    return false;
  }
  packages.insert(packages.end(), std::make_move_iterator(found.begin()),
                  std::make_move_iterator(found.end()));
  return true;
}

}  // namespace cli
