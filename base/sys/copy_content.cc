#include "base/sys/copy_content.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

#include "base/error.h"

namespace sys {

namespace {

constexpr off_t kSmall = 64 * 1024;        // below it one read and one write are the cheapest
constexpr off_t kPiece = off_t{16} << 20;  // between two chances to stop, and to start writing

void write_all_at(int to, const std::byte* data, size_t size, off_t offset) {
  for (size_t done = 0; done < size;) {
    ssize_t n = ::pwrite(to, data + done, size - done, offset + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) base::throw_errno("write");
    done += static_cast<size_t>(n);
  }
}

class Copy {
 public:
  Copy(int from, int to, const Copied& copied) : from_(from), to_(to), copied_(copied) {}

  /// Copies [offset, end); less when the file has become shorter meanwhile.
  void range(off_t offset, off_t end) {
    while (offset < end) {
      off_t wanted = std::min(end - offset, kPiece);
      off_t done = in_kernel_ ? piece_in_kernel(offset, wanted) : piece_by_hand(offset, wanted);
      if (done == 0) return;
      // Asynchronous, and only a hint: errors come back from the sync.
      if (done >= kPiece / 2) ::sync_file_range(to_, offset, done, SYNC_FILE_RANGE_WRITE);
      offset += done;
      if (copied_) copied_(static_cast<uint64_t>(done));
    }
  }

  void small(off_t size) {
    for (off_t offset = 0; offset < size;) {
      off_t done = piece_by_hand(offset, size - offset);
      if (done == 0) return;
      offset += done;
      if (copied_) copied_(static_cast<uint64_t>(done));
    }
  }

 private:
  off_t piece_in_kernel(off_t offset, off_t wanted) {
    for (;;) {
      off_t in = offset, out = offset;
      ssize_t n = ::copy_file_range(from_, &in, to_, &out, static_cast<size_t>(wanted), 0);
      if (n >= 0) return n;
      if (errno == EINTR) continue;
      if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
        base::throw_errno("copy");
      in_kernel_ = false;
      return piece_by_hand(offset, wanted);
    }
  }

  off_t piece_by_hand(off_t offset, off_t wanted) {
    static thread_local std::vector<std::byte> buffer(256 * 1024);
    off_t done = 0;
    while (done < wanted) {
      size_t most = std::min(buffer.size(), static_cast<size_t>(wanted - done));
      ssize_t n = ::pread(from_, buffer.data(), most, offset + done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) base::throw_errno("read");
      if (n == 0) break;
      write_all_at(to_, buffer.data(), static_cast<size_t>(n), offset + done);
      done += n;
    }
    return done;
  }

  int from_;
  int to_;
  const Copied& copied_;
  bool in_kernel_ = true;
};

// Memory that O_DIRECT takes, whatever the block size of the disk.
class AlignedBuffer {
 public:
  static constexpr size_t kSize = size_t{4} << 20;

  AlignedBuffer() : data_(static_cast<std::byte*>(std::aligned_alloc(4096, kSize))) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  ~AlignedBuffer() { std::free(data_); }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
};

// Fills as much of the buffer as the file has.
size_t read_full(int fd, const AlignedBuffer& buffer, off_t offset) {
  size_t done = 0;
  while (done < AlignedBuffer::kSize) {
    ssize_t n = ::pread(fd, buffer.data() + done, AlignedBuffer::kSize - done,
                        offset + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) base::throw_errno("read");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

// While it lives, writes go past the page cache, if the file system knows how.
class DirectWriting {
 public:
  explicit DirectWriting(int fd) : fd_(fd), flags_(::fcntl(fd, F_GETFL)) {
    is_on_ = flags_ >= 0 && ::fcntl(fd, F_SETFL, flags_ | O_DIRECT) == 0;
  }
  ~DirectWriting() { end(); }
  DirectWriting(const DirectWriting&) = delete;
  DirectWriting& operator=(const DirectWriting&) = delete;

  void write(const std::byte* data, size_t size, off_t offset) {
    if (size % 4096 != 0) end();  // the last piece
    while (is_on_ && size > 0) {
      ssize_t n = ::pwrite(fd_, data, size, offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno != EINVAL) base::throw_errno("write");
      if (n < 0 || n % 4096 != 0) end();
      if (n < 0) break;
      data += n;
      size -= static_cast<size_t>(n);
      offset += n;
    }
    write_all_at(fd_, data, size, offset);
  }

 private:
  void end() {
    if (is_on_) ::fcntl(fd_, F_SETFL, flags_);
    is_on_ = false;
  }

  int fd_;
  int flags_;
  bool is_on_;
};

}  // namespace

bool has_holes(const struct stat& st) { return st.st_blocks * 512 < st.st_size; }

void copy_content(int from, int to, const struct stat& st, const Copied& copied) {
  Copy copy(from, to, copied);
  off_t size = st.st_size;
  if (size <= kSmall) return copy.small(size);
  if (!has_holes(st)) return copy.range(0, size);
  if (::ftruncate(to, size) < 0) base::throw_errno("set size");
  for (off_t at = 0; at < size;) {
    off_t data = ::lseek(from, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return;
    if (data < 0) return copy.range(at, size);
    off_t hole = ::lseek(from, data, SEEK_HOLE);
    if (hole < 0) hole = size;
    copy.range(data, std::min(hole, size));
    at = hole;
  }
}

void copy_past_cache(int from, int to, const struct stat& st, const Piece& piece) {
  DirectWriting out(to);
  // One is read by `piece` while the next one is filled.
  const std::shared_ptr<const AlignedBuffer> buffers[] = {std::make_shared<AlignedBuffer>(),
                                                          std::make_shared<AlignedBuffer>()};
  size_t turn = 0;
  for (off_t offset = 0; offset < st.st_size; turn ^= 1) {
    const auto& buffer = buffers[turn];
    size_t size = read_full(from, *buffer, offset);
    if (size == 0) return;
    piece({buffer->data(), size}, buffer);
    out.write(buffer->data(), size, offset);
    offset += static_cast<off_t>(size);
  }
}

bool share_extents(int from, int to) { return ::ioctl(to, FICLONE, from) == 0; }

}  // namespace sys
