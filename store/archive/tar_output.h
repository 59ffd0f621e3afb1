#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"

namespace archive {

/// Writes the plain tar that carries a layout: regular files and directories with short names,
/// owned by root, of time 0, so that equal content gives equal bytes. `out` is borrowed.
class TarOutput {
 public:
  explicit TarOutput(base::Sink& out) : out_(out) {}
  void add_directory(const std::string& path);
  void add_file(const std::string& path, std::string_view content);
  /// `produce` writes the content. Throws Corrupt unless that is exactly `size_bytes`.
  void add_file(const std::string& path, uint64_t size_bytes,
                const std::function<void(base::Sink&)>& produce);
  /// The end-of-archive blocks.
  void finish();

 private:
  void header(const std::string& path, char type, uint32_t mode, uint64_t size_bytes);
  base::Sink& out_;
};

}  // namespace archive
