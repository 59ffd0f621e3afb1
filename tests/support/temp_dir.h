#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/sys/tree.h"

namespace support {

/// A directory that is gone at the end of the test. TMPDIR decides where (default /var/tmp: overlay
/// needs a file system with extended attributes).
class TempDir {
 public:
  TempDir() : TempDir(getenv("TMPDIR") != nullptr ? getenv("TMPDIR") : "/var/tmp") {}
  explicit TempDir(const std::string& parent) {
    std::string pattern = parent + "/torte-test-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) base::throw_errno("create " + pattern);
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    try {
      sys::remove_tree(path_);
    } catch (const base::Error&) {
    }
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  void write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace support
