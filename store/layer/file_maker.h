#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/sys/fd.h"
#include "store/layer/tar_reader.h"

namespace layer {

/// Owner, mode and time of something about to be made.
struct Attributes {
  uint32_t mode = 0755;
  uint32_t uid = 0;
  uint32_t gid = 0;
  TarTime mtime;
};

/// Makes single files in directories given as descriptors, never touching what is there already:
/// every make_*() returns false when the name is taken. Internal to the room; one thread.
/// Order for each file: content, owner, attributes, mode (chown clears setuid), times.
class FileMaker {
 public:
  struct Options {
    bool single_id = false;
    /// Existing directories may be set-group-id, so what is made in them may not be ours.
    bool always_chown = false;
    uint64_t keep_free_bytes = 0;
    std::stop_token stop;
  };
  /// `tree_fd` is any descriptor on the file system that is filled (for the free-space check).
  FileMaker(int tree_fd, Options options);

  using Xattrs = std::map<std::string, std::string>;

  /// Takes the content from `reader`. Long runs of zeros become holes.
  bool make_file(int dir, const char* name, const Attributes& attributes, const Xattrs& xattrs,
                 uint64_t size, TarReader& reader);
  bool make_symlink(int dir, const char* name, const std::string& target,
                    const Attributes& attributes, const Xattrs& xattrs);
  /// A fifo or device; a device becomes a file with kDeviceXattr where the kernel forbids devices.
  bool make_node(int dir, const char* name, mode_t type, dev_t device, const Attributes& attributes,
                 const Xattrs& xattrs);
  bool make_whiteout(int dir, const char* name);
  /// A directory only we can enter; the rest follows by apply_to_directory().
  bool make_directory(int dir, const char* name);
  bool make_link(int from_dir, const char* from, int dir, const char* name);
  /// A copy of `name` in `from_dir` with everything it has. Not for directories.
  bool copy(int from_dir, const char* name, int dir);

  void set_xattrs(int fd, const Xattrs& xattrs);
  /// Owner, mode, times of an open directory.
  void apply_to_directory(int fd, const Attributes& attributes);
  /// Owner and mode of a directory that was just made; its time stays.
  void apply_to_new_directory(int fd, const Attributes& attributes);
  /// The same for one more name of a file that exists; only what differs is set.
  void apply_to_link(int dir, const char* name, const struct stat& now,
                     const Attributes& attributes, const Xattrs& xattrs);

  /// About what everything made here takes on the disk.
  uint64_t disk_bytes() const { return disk_bytes_; }
  uint64_t dropped_xattrs() const { return dropped_xattrs_; }
  void check_stop() const;

 private:
  void write_content(int fd, uint64_t size, TarReader& reader);
  void write_piece(int fd, base::Bytes piece, uint64_t offset, bool find_holes);
  void count_written(uint64_t bytes);
  void set_owner(int fd, const Attributes& attributes);
  void set_owner_at(int dir, const char* name, const Attributes& attributes);
  template <typename Set>
  void set_each_xattr(const Xattrs& xattrs, Set set);
  bool finish_special(int dir, const char* name, bool is_link, const Attributes& attributes,
                      const Xattrs& xattrs);

  int tree_fd_;
  Options options_;
  mode_t umask_;
  uint32_t own_uid_;
  uint32_t own_gid_;
  uint64_t since_space_check_ = 0;
  uint64_t disk_bytes_ = 0;
  uint64_t dropped_xattrs_ = 0;
};

/// Attributes and Xattrs of something that exists.
Attributes attributes_of(const struct stat& st);

}  // namespace layer
