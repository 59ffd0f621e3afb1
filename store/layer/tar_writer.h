#pragma once

#include <vector>

#include "base/bytes.h"
#include "store/layer/tar_reader.h"

namespace layer {

/// Writes members as ustar with a pax header only where the fields do not suffice, through a buffer
/// of 1 MiB. Internal to the room, and for tests; one thread.
class TarWriter {
 public:
  explicit TarWriter(base::Sink& out);

  /// The header; for a file, exactly entry.size bytes of content must follow. Seconds of mtime
  /// only.
  void begin(const Entry& entry);
  /// Content of the current member.
  void write(base::Bytes bytes);
  /// Content of the current member, read from `fd` to the size that was announced. Throws
  /// Unavailable when there are more or fewer bytes.
  void write_from(int fd, uint64_t size, const std::string& name);
  /// The next `size` bytes of it, which must be there; more may follow.
  void write_part_from(int fd, uint64_t size, const std::string& name);
  /// The end-of-archive blocks; hands everything to the sink.
  void finish();
  uint64_t bytes() const { return bytes_; }

 private:
  void put(std::string_view text);
  void pad();
  size_t read_from(int fd, uint64_t most, const std::string& name);
  void take(size_t size);
  void put_header(const Entry& entry, std::string_view name, std::string_view prefix, char type,
                  uint64_t size);
  void flush();

  base::Sink& out_;
  std::vector<std::byte> buffer_;
  size_t used_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace layer
