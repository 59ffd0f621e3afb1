#include <fcntl.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>

#include "base/error.h"
#include "store/layer/changes.h"
#include "store/layer/tree_walk.h"

namespace layer {

namespace {

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// As full as the end of the file allows.
size_t fill(base::Source& source, std::span<std::byte> buffer) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    const size_t n = source.read(buffer.subspan(filled));
    if (n == 0) break;
    filled += n;
  }
  return filled;
}

bool same_bytes(int a, int b, const std::string& name) {
  constexpr size_t kBuffer = 128 << 10;
  std::vector<std::byte> left(kBuffer), right(kBuffer);
  sys::FdSource source_a(a, name), source_b(b, name);
  while (true) {
    const size_t n = fill(source_a, left);
    if (fill(source_b, right) != n || !std::equal(left.begin(), left.begin() + n, right.begin()))
      return false;
    if (n < kBuffer) return true;
  }
}

class Comparison {
 public:
  Comparison(const sys::Root& from, const sys::Root& to) : from_(from), to_(to) {}

  std::vector<Change> run() {
    TreeWalk above(to_);
    while (const TreeWalk::Item* item = above.next()) look(*item);
    TreeWalk below(from_);
    while (const TreeWalk::Item* item = below.next()) {
      const std::optional<struct stat> st = to_.lstat(sys::RootedPath(item->path));
      if (!st) add('D', item->path);
      // Below what is no directory any more there is nothing to say name by name; and a link in its
      // place must not be followed.
      if (item->is_directory() && (!st || !S_ISDIR(st->st_mode))) below.skip();
    }
    for (const std::string& parent : on_the_way_) changes_.try_emplace(parent, 'C');
    std::vector<Change> list;
    for (const auto& [path, kind] : changes_) list.push_back({kind, path});
    return list;
  }

 private:
  void look(const TreeWalk::Item& item) {
    if (!new_directory_.empty() && item.path.starts_with(new_directory_))
      return add('A', item.path);
    const std::optional<struct stat> before = from_.lstat(sys::RootedPath(item.path));
    if (item.is_directory() && (!before || !S_ISDIR(before->st_mode)))
      new_directory_ = item.path + "/";
    if (!before)
      add('A', item.path);
    else if (!same(item, *before))
      add('C', item.path);
  }

  bool same(const TreeWalk::Item& item, const struct stat& before) {
    const struct stat& now = item.st;
    if (now.st_mode != before.st_mode || now.st_uid != before.st_uid || now.st_gid != before.st_gid)
      return false;
    if (!item.is_directory() && (now.st_size != before.st_size || now.st_rdev != before.st_rdev ||
                                 !same_time(now.st_mtim, before.st_mtim)))
      return false;
    // Both views show the one file of a layer they share. The time of its last change makes sure,
    // should layers lie on several file systems.
    if (!item.is_directory() && now.st_ino == before.st_ino &&
        same_time(now.st_ctim, before.st_ctim))
      return true;
    const sys::RootedPath path(item.path);
    const sys::RootedPath parent = path.parent();
    sys::UniqueFd directory = from_.open_at(parent, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    const char* name = item.name.c_str();
    if (sys::list_xattrs_at(item.directory, name) != sys::list_xattrs_at(directory.get(), name))
      return false;
    if (S_ISLNK(now.st_mode))
      return sys::read_link_at(item.directory, name) == sys::read_link_at(directory.get(), name);
    if (!S_ISREG(now.st_mode)) return true;
    return same_bytes(open_for_reading(item.directory, name).get(),
                      open_for_reading(directory.get(), name).get(), item.path);
  }

  // The directories on the way count as changed, unless something else is said of them.
  void add(char kind, const std::string& path) {
    std::string parent = "/" + path;
    changes_.emplace(parent, kind);
    while (true) {
      parent.resize(parent.rfind('/'));
      if (parent.empty() || !on_the_way_.insert(parent).second) return;
    }
  }

  const sys::Root& from_;
  const sys::Root& to_;
  std::string new_directory_;  // "a/b/": the directory entered last that was none before
  std::map<std::string, char> changes_;
  std::set<std::string> on_the_way_;
};

}  // namespace

std::vector<Change> compare_trees(const sys::Root& from, const sys::Root& to) {
  return Comparison(from, to).run();
}

}  // namespace layer
