// Any bytes as a layer and as a user's archive: read, unpacked, and what came out written again.
// The tree must be whole enough to be written, and its canonical tar must unpack to the same tree.
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "store/layer/extract.h"
#include "store/layer/tar_header.h"
#include "store/layer/tar_reader.h"
#include "store/layer/verify.h"
#include "store/layer/writer.h"

namespace {

layer::Limits small_limits() {
  layer::Limits limits;
  limits.entries = 2000;
  limits.unpacked_bytes = 4 << 20;
  limits.directories_in_memory = 8;  // so that forgetting is tried too
  return limits;
}

void read(std::string_view bytes, layer::Strictness strictness) {
  base::MemorySource source(base::as_bytes(bytes));
  layer::TarReader reader(source, small_limits(), strictness);
  layer::Entry entry;
  try {
    while (reader.next(entry)) {
      base::CountingSink sink;
      if (entry.size < (64 << 20)) base::copy(reader.body(), sink);
    }
    reader.drain();
  } catch (const base::Error&) {
  }
}

/// Puts right checksums where headers seem to be, so that mutated headers get past the first check.
std::string repaired(std::string_view bytes) {
  constexpr size_t kBlockBytes = 512;
  std::string tar(bytes);
  for (size_t at = 0; at + kBlockBytes <= tar.size();) {
    if (tar.find_first_not_of('\0', at) >= at + kBlockBytes) {
      at += kBlockBytes;
      continue;
    }
    std::fill_n(tar.begin() + static_cast<ptrdiff_t>(at) + 148, 8, ' ');
    unsigned sum = 0;
    for (size_t i = at; i < at + kBlockBytes; ++i) sum += static_cast<unsigned char>(tar[i]);
    for (size_t i = at + 154; i-- > at + 148; sum >>= 3)
      tar[i] = static_cast<char>('0' + (sum & 7));
    tar[at + 154] = '\0';
    std::optional<int64_t> size = layer::parse_number(std::string_view(tar).substr(at + 124, 12));
    char type = tar[at + 156];
    at += kBlockBytes;
    if (size && *size > 0 && *size < 1 << 20 && (type < '1' || type > '6'))
      at += (static_cast<size_t>(*size) + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  }
  return tar;
}

class Scratch {
 public:
  Scratch() {
    std::string pattern = "/dev/shm/torte-fuzz-XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
    for (const char* name : {"a", "b", "canary"})
      CHECK(::mkdir((path_ + "/" + name).c_str(), 0700) == 0);
  }
  ~Scratch() {
    CHECK(std::filesystem::is_empty(path_ + "/canary"));
    sys::remove_tree(path_);
  }
  sys::Root root(const char* name) const { return sys::Root::open(path_ + "/" + name); }

 private:
  std::string path_;
};

bool extract(std::string_view tar, const sys::Root& tree) {
  layer::ExtractOptions options;
  options.limits = small_limits();
  options.single_id = options.user_xattr = ::geteuid() != 0;
  base::MemorySource source(base::as_bytes(tar));
  try {
    layer::extract(source, tree, options);
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

void unpack(std::string_view bytes) {
  Scratch scratch;
  sys::Root a = scratch.root("a");
  if (!extract(bytes, a)) return;
  base::StringSink first;
  layer::write_tree(a, first);
  sys::Root b = scratch.root("b");
  CHECK(extract(first.text(), b));
  base::StringSink second;
  layer::write_tree(b, second);
  CHECK(first.text() == second.text());
  base::MemorySource source(base::as_bytes(first.text()));
  layer::VerifyOptions options;
  options.single_id = ::geteuid() != 0;
  CHECK(layer::verify(b, source, options).empty());
}

void add(std::string_view bytes) {
  Scratch scratch;
  base::MemorySource source(base::as_bytes(bytes));
  layer::ArchiveOptions options;
  options.limits = small_limits();
  options.single_id = ::geteuid() != 0;
  try {
    layer::extract_archive(source, scratch.root("a"), options);
  } catch (const base::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const std::string& tar : {std::string(bytes), repaired(bytes)}) {
    read(tar, layer::Strictness::kImage);
    read(tar, layer::Strictness::kArchive);
    unpack(tar);
    add(tar);
  }
  return 0;
}
