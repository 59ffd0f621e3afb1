#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

/// Tar archives made byte by byte, so that a test can break any rule.
namespace tarbytes {

/// One header block; fields hold exactly what is given.
struct Header {
  std::string name;
  char type = '0';
  int64_t size = 0;
  int64_t mode = 0644;
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t mtime = 0;
  std::string link;
  int64_t major = 0;
  int64_t minor = 0;
  std::string magic = std::string("ustar\00000", 8);
  std::string prefix;
  std::string raw_size;  ///< instead of the number
  std::optional<unsigned> checksum;
};

inline std::string number(int64_t value, size_t width) {
  std::string text(width, '\0');
  if (value >= 0 && (value >> (3 * (width - 1))) == 0) {
    for (size_t i = width - 1; i-- > 0; value >>= 3) text[i] = static_cast<char>('0' + (value & 7));
    return text;
  }
  // Base 256, also for negative numbers.
  for (size_t i = width; i-- > 1; value >>= 8) text[i] = static_cast<char>(value & 0xff);
  text[0] = static_cast<char>(value < 0 ? 0xff : 0x80);
  return text;
}

inline std::string block(const Header& header) {
  std::string bytes(512, '\0');
  auto put = [&](size_t at, size_t width, std::string_view text) {
    bytes.replace(at, std::min(width, text.size()), text.substr(0, width));
  };
  put(0, 100, header.name);
  put(100, 8, number(header.mode, 8));
  put(108, 8, number(header.uid, 8));
  put(116, 8, number(header.gid, 8));
  put(124, 12, header.raw_size.empty() ? number(header.size, 12) : header.raw_size);
  put(136, 12, number(header.mtime, 12));
  put(148, 8, "        ");
  bytes[156] = header.type;
  put(157, 100, header.link);
  put(257, 8, header.magic);
  put(329, 8, number(header.major, 8));
  put(337, 8, number(header.minor, 8));
  put(345, 155, header.prefix);
  unsigned sum = 0;
  for (char c : bytes) sum += static_cast<unsigned char>(c);
  put(148, 7, number(header.checksum.value_or(sum), 7));
  return bytes;
}

inline std::string padded(std::string data) {
  data.append((512 - data.size() % 512) % 512, '\0');
  return data;
}

using Records = std::vector<std::pair<std::string, std::string>>;

inline std::string pax_raw(const std::string& data, char type = 'x') {
  return block(
             {.name = "PaxHeaders.0/x", .type = type, .size = static_cast<int64_t>(data.size())}) +
         padded(data);
}

inline std::string pax(const Records& records, char type = 'x') {
  std::string data;
  for (const auto& [key, value] : records) {
    size_t fixed = key.size() + value.size() + 3;
    size_t length = fixed + 1;
    while (fixed + std::to_string(length).size() != length)
      length = fixed + std::to_string(length).size();
    data += std::to_string(length) + " " + key + "=" + value + "\n";
  }
  return pax_raw(data, type);
}

/// A member with its content; Header::size follows from it.
inline std::string member(Header header, const std::string& content) {
  header.size = static_cast<int64_t>(content.size());
  return block(header) + padded(content);
}

inline std::string file(const std::string& name, const std::string& content = "x\n") {
  return member({.name = name}, content);
}
inline std::string directory(const std::string& name, int64_t mode = 0755) {
  return block({.name = name, .type = '5', .mode = mode});
}
inline std::string soft_link(const std::string& name, const std::string& target) {
  return block({.name = name, .type = '2', .mode = 0777, .link = target});
}
inline std::string hardlink(const std::string& name, const std::string& target) {
  return block({.name = name, .type = '1', .link = target});
}
inline std::string gnu_long(char type, const std::string& value) {
  return member({.name = "././@LongLink", .type = type, .magic = std::string("ustar  \0", 8)},
                value + '\0');
}

inline std::string end() { return std::string(1024, '\0'); }

}  // namespace tarbytes
