#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace layer {

// The 512-byte header block of tar, read. Internal to the room.
//
//   offset size field            offset size field
//        0  100 name                257    6 magic     "ustar\0" posix, "ustar " GNU
//      100    8 mode                263    2 version   "00" posix, " \0" GNU
//      108    8 uid                 265   32 user name
//      116    8 gid                 297   32 group name
//      124   12 size                329    8 device major
//      136   12 mtime               337    8 device minor
//      148    8 checksum            345  155 prefix (ustar), 131 (star), GNU: see below
//      156    1 type                508    4 "tar\0" star
//      157  100 link target
//
//   GNU: 345 12 atime, 357 12 ctime, 386 4x24 sparse map, 482 1 more follows, 483 12 real size

inline constexpr size_t kBlockBytes = 512;
using Block = std::span<const char, kBlockBytes>;

enum class Dialect { kUnknown, kV7, kUstar, kStar, kGnu };

/// The dialect, or kUnknown when the checksum is neither the unsigned nor the signed sum.
Dialect dialect_of(Block block);

/// A number field: octal text between blanks and NULs, or two's complement base 256 when the top
/// bit is set. An empty field is 0. nullopt for anything else, and for what does not fit in 64
/// bits.
std::optional<int64_t> parse_number(std::string_view field);

/// A text field up to its first NUL.
std::string_view parse_text(std::string_view field);

inline std::string_view field(Block block, size_t offset, size_t size) {
  return std::string_view(block.data() + offset, size);
}

}  // namespace layer
