#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "base/sys/fd.h"
#include "store/layer/seek_index.h"

namespace layer {

/// The tar of a packed layer, read at any place. Every byte given was compared with the digest of
/// its chunk. Holds the chunks last read, and decoders that stand where the next ones are likely to
/// be wanted. Any number of threads; each chunk is unpacked by one of them.
class SeekReader {
 public:
  /// Takes the blob that the index is of, open for reading; its members are not needed.
  SeekReader(sys::UniqueFd blob, SeekIndex index, size_t chunks_kept);
  ~SeekReader();

  /// Fills `buffer` from that offset of the tar, which must be wholly inside it. Throws Corrupt
  /// when the blob no longer holds what it did (the message names the blob, the place and both
  /// digests), SystemError.
  void read(uint64_t offset, std::span<std::byte> buffer);

 private:
  class Cursor;
  using Chunk = std::shared_ptr<const std::vector<std::byte>>;

  Chunk chunk(uint64_t number);
  Chunk unpack(uint64_t number);
  std::unique_ptr<Cursor> take_cursor(uint64_t offset);
  void keep_cursor(std::unique_ptr<Cursor> cursor);

  sys::UniqueFd blob_;
  SeekIndex index_;
  size_t chunks_kept_;

  std::mutex mutex_;  ///< guards everything below
  std::condition_variable changed_;
  std::list<std::pair<uint64_t, Chunk>> chunks_;  ///< most recently used first
  std::set<uint64_t> coming_;                     ///< chunks that some thread is unpacking
  std::list<std::unique_ptr<Cursor>> cursors_;    ///< most recently used first
};

}  // namespace layer
