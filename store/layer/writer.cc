#include "store/layer/writer.h"

#include <fcntl.h>

#include <map>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "store/layer/stored_form.h"
#include "store/layer/tar_writer.h"
#include "store/layer/tree_walk.h"

namespace layer {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr size_t kMaxSkipped = 100;

class TreeWriter {
 public:
  TreeWriter(const sys::Root& tree, base::Sink& out, const WriteOptions& options)
      : tree_(tree), out_(out), options_(options) {}

  WriteResult run() {
    write_root();
    TreeWalk walk(tree_);
    while (const TreeWalk::Item* item = walk.next()) {
      if (options_.stop.stop_requested())
        throw base::Error(base::Code::kCancelled, "writing a layer was cancelled");
      try {
        if (!write_item(*item)) walk.skip();
      } catch (base::Error& e) {
        e.add_context("/" + base::printable(item->path, 200));
        throw;
      }
    }
    out_.finish();
    result_.tar_bytes = out_.bytes();
    return std::move(result_);
  }

 private:
  struct InodeHash {
    size_t operator()(const std::pair<dev_t, ino_t>& inode) const {
      return std::hash<uint64_t>()(inode.second * 31 + inode.first);
    }
  };

  void write_root() {
    sys::UniqueFd fd = sys::open_nofollow_at(tree_.fd(), ".", O_RDONLY | O_DIRECTORY);
    struct stat st;
    if (::fstat(fd.get(), &st) < 0) base::throw_errno("stat the root of a tree");
    StoredForm form = stored_form(st, sys::list_xattrs(fd.get()));
    bool usual = form.entry.mode == 0755 && form.entry.uid == 0 && form.entry.gid == 0 &&
                 form.entry.xattrs.empty();
    if (!usual) {
      form.entry.path = "./";
      begin(form.entry);
    }
    if (form.opaque && !options_.plain) write_marker(".wh..wh..opq");
  }

  // False when a directory must not be entered.
  bool write_item(const TreeWalk::Item& item) {
    if (item.is_whiteout()) {
      if (options_.plain)
        throw base::Error(base::Code::kUnsupported, "a character device 0:0 in a plain tree");
      size_t parent = item.path.size() - item.name.size();
      write_marker(base::str(item.path.substr(0, parent), kWhiteout, item.name));
      return true;
    }
    if ((item.name.starts_with(kWhiteout) && !options_.plain) || S_ISSOCK(item.st.st_mode)) {
      if (result_.skipped.size() < kMaxSkipped) result_.skipped.push_back(item.path);
      return false;
    }
    if (!item.is_directory() && item.st.st_nlink > 1 && write_link(item)) return true;
    if (S_ISREG(item.st.st_mode)) {
      write_file(item);
      return true;
    }
    StoredForm form = stored_form(
        item.st, item.is_directory() ? sys::list_xattrs(item.fd.get())
                                     : sys::list_xattrs_at(item.directory, item.name.c_str()));
    form.entry.path = item.path;
    if (item.is_directory()) form.entry.path += '/';
    if (S_ISLNK(item.st.st_mode))
      form.entry.link = sys::read_link_at(item.directory, item.name.c_str());
    begin(form.entry);
    if (form.opaque && !options_.plain) write_marker(item.path + "/.wh..wh..opq");
    return true;
  }

  void write_file(const TreeWalk::Item& item) {
    sys::UniqueFd fd = open_for_reading(item.directory, item.name.c_str());
    StoredForm form = stored_form(item.st, sys::list_xattrs(fd.get()));
    form.entry.path = item.path;
    begin(form.entry);
    if (form.entry.size > 0) out_.write_from(fd.get(), form.entry.size, item.name);
    result_.content_bytes += form.entry.size;
  }

  // True when another name of the same file was written before.
  bool write_link(const TreeWalk::Item& item) {
    auto [first, is_new] =
        first_paths_.emplace(std::pair(item.st.st_dev, item.st.st_ino), item.path);
    if (is_new) return false;
    sys::UniqueFd fd;
    if (S_ISREG(item.st.st_mode)) fd = open_for_reading(item.directory, item.name.c_str());
    Entry entry = stored_form(item.st, fd ? sys::list_xattrs(fd.get()) : sys::Xattrs{}).entry;
    // Everything else is said with the first name.
    entry.type = EntryType::kHardlink;
    entry.path = item.path;
    entry.link = first->second;
    entry.size = 0;
    entry.dev_major = entry.dev_minor = 0;
    entry.xattrs.clear();
    begin(entry);
    return true;
  }

  void write_marker(std::string path) {
    Entry entry;
    entry.path = std::move(path);
    begin(entry);
  }

  void begin(Entry& entry) {
    if (entry.type != EntryType::kChar && entry.type != EntryType::kBlock)
      entry.dev_major = entry.dev_minor = 0;
    if (options_.clamp_mtime && entry.mtime.sec > *options_.clamp_mtime)
      entry.mtime.sec = *options_.clamp_mtime;
    if (options_.fixed_mtime) entry.mtime = {*options_.fixed_mtime, 0};
    out_.begin(entry);
    ++result_.entries;
  }

  const sys::Root& tree_;
  TarWriter out_;
  const WriteOptions& options_;
  WriteResult result_;
  std::unordered_map<std::pair<dev_t, ino_t>, std::string, InodeHash> first_paths_;
};

}  // namespace

WriteResult write_tree(const sys::Root& tree, base::Sink& out, const WriteOptions& options) {
  return TreeWriter(tree, out, options).run();
}

}  // namespace layer
