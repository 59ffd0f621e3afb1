#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "store/layer/stored_form.h"
#include "store/layer/tar_writer.h"
#include "store/layer/tree_walk.h"
#include "store/layer/writer.h"

namespace layer {

/// Writes the canonical tar of a tree one thing after another; who calls it knows the order.
/// Internal to the room: write_tree() goes through a tree that is there, TreeFollower through one
/// that is being made. One thread.
class ItemWriter {
 public:
  /// Told how much of a file is wanted next; returns how much of it, up to that, can be read by
  /// now.
  using Wait = std::function<uint64_t(uint64_t wanted)>;

  ItemWriter(base::Sink& out, const WriteOptions& options) : out_(out), options_(options) {}

  /// First of all. Says nothing of a usual root. `mtime`: the time it will have, if not that of
  /// now.
  void root(const sys::Root& tree, const timespec* mtime = nullptr);
  /// False when the layer cannot hold it; what is below it must then be left out too.
  bool item(const TreeWalk::Item& item);
  void directory(const std::string& path, StoredForm form);
  /// A regular file whose first name this is, `fd` at its beginning. With `wait` it may still grow.
  void file(const std::string& path, StoredForm form, int fd, const Wait& wait = {});
  /// The same, its content in the pieces that `next` returns; an empty one ends it.
  void file(const std::string& path, StoredForm form, const std::function<base::Bytes()>& next);
  /// Remembers the first name of a file. True when it had one: then the link is written instead.
  bool link(const TreeWalk::Item& item);
  WriteResult finish();

 private:
  struct InodeHash {
    size_t operator()(const std::pair<dev_t, ino_t>& inode) const {
      return std::hash<uint64_t>()(inode.second * 31 + inode.first);
    }
  };

  void count_holes(const struct stat& st);
  void marker(std::string path);
  void begin(Entry& entry);

  TarWriter out_;
  const WriteOptions& options_;
  WriteResult result_;
  uint64_t hole_bytes_ = 0;
  std::unordered_map<std::pair<dev_t, ino_t>, std::string, InodeHash> first_paths_;
};

}  // namespace layer
