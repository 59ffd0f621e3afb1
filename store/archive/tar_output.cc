#include "store/archive/tar_output.h"

#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace archive {

namespace {

constexpr size_t kBlock = 512;

/// Lets through exactly as many bytes as the header announced.
class Exactly : public base::Sink {
 public:
  Exactly(base::Sink& out, uint64_t size_bytes, const std::string& path)
      : out_(out), size_bytes_(size_bytes), path_(path) {}
  void write(base::Bytes bytes) override {
    count_ += bytes.size();
    if (count_ > size_bytes_) fail();
    out_.write(bytes);
  }
  void finish() const {
    if (count_ != size_bytes_) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw base::Error(base::Code::kCorrupt,
                      base::str(path_, ": ", count_, " bytes instead of ", size_bytes_),
                      "size-mismatch");
  }
  base::Sink& out_;
  uint64_t size_bytes_;
  const std::string& path_;
  uint64_t count_ = 0;
};

}  // namespace

void TarOutput::header(const std::string& path, char type, uint32_t mode, uint64_t size_bytes) {
  if (path.size() >= 100) {
    // Only blobs named by SHA-512 are that long: a GNU long name, which every reader in use knows.
    std::string name = path + '\0';
    header("././@LongLink", 'L', 0, name.size());
    name.resize((name.size() + kBlock - 1) / kBlock * kBlock);
    out_.write(base::as_bytes(name));
    return header(path.substr(0, 99), type, mode, size_bytes);
  }
  char block[kBlock] = {};
  std::memcpy(block, path.data(), path.size());
  std::snprintf(block + 100, 8, "%07o", mode);
  std::snprintf(block + 108, 8, "%07o", 0u);
  std::snprintf(block + 116, 8, "%07o", 0u);
  if (size_bytes < (uint64_t{1} << 33)) {
    std::snprintf(block + 124, 12, "%011llo", static_cast<unsigned long long>(size_bytes));
  } else {
    block[124] = static_cast<char>(0x80);  // GNU base-256, which every reader in use knows
    for (int i = 0; i < 8; ++i) block[135 - i] = static_cast<char>((size_bytes >> (8 * i)) & 0xff);
  }
  std::snprintf(block + 136, 12, "%011o", 0u);
  std::memset(block + 148, ' ', 8);
  block[156] = type;
  std::memcpy(block + 257, "ustar\00000", 8);
  unsigned sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(block + 148, 8, "%06o", sum);
  out_.write(base::as_bytes(std::string_view(block, kBlock)));
}

void TarOutput::add_directory(const std::string& path) { header(path + "/", '5', 0755, 0); }

void TarOutput::add_file(const std::string& path, std::string_view content) {
  add_file(path, content.size(), [&](base::Sink& out) { out.write(base::as_bytes(content)); });
}

void TarOutput::add_file(const std::string& path, uint64_t size_bytes,
                         const std::function<void(base::Sink&)>& produce) {
  header(path, '0', 0644, size_bytes);
  Exactly content(out_, size_bytes, path);
  produce(content);
  content.finish();
  static constexpr char kZeros[kBlock] = {};
  size_t padding = (kBlock - size_bytes % kBlock) % kBlock;
  out_.write(base::as_bytes(std::string_view(kZeros, padding)));
}

void TarOutput::finish() {
  std::string zeros(2 * kBlock, '\0');
  out_.write(base::as_bytes(zeros));
}

}  // namespace archive
