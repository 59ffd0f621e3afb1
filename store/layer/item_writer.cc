#include "store/layer/item_writer.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/text.h"

namespace layer {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr size_t kMaxSkipped = 100;

}  // namespace

void ItemWriter::root(const sys::Root& tree, const timespec* mtime) {
  sys::UniqueFd fd = sys::open_nofollow_at(tree.fd(), ".", O_RDONLY | O_DIRECTORY);
  struct stat st;
  if (::fstat(fd.get(), &st) < 0) base::throw_errno("stat the root of a tree");
  if (mtime != nullptr) st.st_mtim = *mtime;
  StoredForm form = stored_form(st, sys::list_xattrs(fd.get()));
  bool usual = form.entry.mode == 0755 && form.entry.uid == 0 && form.entry.gid == 0 &&
               form.entry.xattrs.empty();
  if (!usual) {
    form.entry.path = "./";
    begin(form.entry);
  }
  if (form.opaque && !options_.plain) marker(".wh..wh..opq");
}

bool ItemWriter::item(const TreeWalk::Item& item) {
  if (item.is_whiteout()) {
    if (options_.plain)
      throw base::Error(base::Code::kUnsupported, "a character device 0:0 in a plain tree",
                        "layer-entry");
    size_t parent = item.path.size() - item.name.size();
    marker(base::str(item.path.substr(0, parent), kWhiteout, item.name));
    return true;
  }
  if ((item.name.starts_with(kWhiteout) && !options_.plain) || S_ISSOCK(item.st.st_mode)) {
    if (result_.skipped.size() < kMaxSkipped) result_.skipped.push_back(item.path);
    return false;
  }
  if (item.is_directory()) {
    directory(item.path, stored_form(item.st, sys::list_xattrs(item.fd.get())));
    return true;
  }
  if (item.st.st_nlink > 1 && link(item)) return true;
  if (S_ISREG(item.st.st_mode)) {
    count_holes(item.st);
    sys::UniqueFd fd = open_for_reading(item.directory, item.name.c_str());
    file(item.path, stored_form(item.st, sys::list_xattrs(fd.get())), fd.get());
    return true;
  }
  StoredForm form = stored_form(item.st, sys::list_xattrs_at(item.directory, item.name.c_str()));
  form.entry.path = item.path;
  if (S_ISLNK(item.st.st_mode))
    form.entry.link = sys::read_link_at(item.directory, item.name.c_str());
  begin(form.entry);
  return true;
}

void ItemWriter::directory(const std::string& path, StoredForm form) {
  form.entry.path = path + '/';
  begin(form.entry);
  if (form.opaque && !options_.plain) marker(path + "/.wh..wh..opq");
}

void ItemWriter::file(const std::string& path, StoredForm form, int fd, const Wait& wait) {
  form.entry.path = path;
  begin(form.entry);
  uint64_t size = form.entry.size;
  uint64_t done = 0;
  if (wait) {
    for (uint64_t ready = 0; done < size && (ready = wait(size)) > done; done = ready)
      out_.write_part_from(fd, ready - done, path);
  }
  // The last of it, or all: there must not be more than was announced.
  if (size > 0) out_.write_from(fd, size - done, path);
  result_.content_bytes += size;
}

void ItemWriter::file(const std::string& path, StoredForm form,
                      const std::function<base::Bytes()>& next) {
  form.entry.path = path;
  begin(form.entry);
  uint64_t done = 0;
  for (base::Bytes piece = next(); !piece.empty(); piece = next()) {
    out_.write(piece);
    done += piece.size();
  }
  if (done != form.entry.size)
    throw base::Error(base::Code::kUnavailable,
                      base::printable(path) + " changed while it was read");
  result_.content_bytes += done;
}

bool ItemWriter::link(const TreeWalk::Item& item) {
  auto [first, is_new] = first_paths_.emplace(std::pair(item.st.st_dev, item.st.st_ino), item.path);
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

void ItemWriter::count_holes(const struct stat& st) {
  const auto size = static_cast<uint64_t>(st.st_size);
  const uint64_t stored = static_cast<uint64_t>(st.st_blocks) * 512;
  if (size > stored) hole_bytes_ += size - stored;
  if (hole_bytes_ > options_.hole_bytes)
    throw base::Error(base::Code::kUnsupported,
                      base::str("holes of ", base::format_size(hole_bytes_), ", a layer may have ",
                                base::format_size(options_.hole_bytes)),
                      "layer-holes");
}

void ItemWriter::marker(std::string path) {
  Entry entry;
  entry.path = std::move(path);
  begin(entry);
}

void ItemWriter::begin(Entry& entry) {
  if (entry.type != EntryType::kChar && entry.type != EntryType::kBlock)
    entry.dev_major = entry.dev_minor = 0;
  if (options_.clamp_mtime && entry.mtime.sec > *options_.clamp_mtime)
    entry.mtime.sec = *options_.clamp_mtime;
  if (options_.fixed_mtime) entry.mtime = {*options_.fixed_mtime, 0};
  out_.begin(entry);
  ++result_.entries;
}

WriteResult ItemWriter::finish() {
  out_.finish();
  result_.tar_bytes = out_.bytes();
  return std::move(result_);
}

}  // namespace layer
