#include "store/layer/tree_walk.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace layer {

namespace {

// How many levels stay open; further up they are closed and found again by "..".
constexpr size_t kOpenLevels = 64;

}  // namespace

sys::UniqueFd open_for_reading(int directory, const char* name) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  sys::UniqueFd fd(::openat(directory, name, kFlags | O_NOATIME));
  if (!fd && errno == EPERM) fd = sys::UniqueFd(::openat(directory, name, kFlags));
  if (!fd) base::throw_errno("open " + base::printable(name, 200));
  return fd;
}

TreeWalk::TreeWalk(const sys::Root& tree) {
  sys::UniqueFd fd = sys::open_nofollow_at(tree.fd(), ".", O_RDONLY | O_DIRECTORY);
  struct stat st;
  if (::fstat(fd.get(), &st) < 0) base::throw_errno("stat the root of a tree");
  push(std::move(fd), st);
}

void TreeWalk::push(sys::UniqueFd fd, const struct stat& st) {
  Level level;
  level.names = sys::list_names(fd.get());
  std::reverse(level.names.begin(), level.names.end());
  level.fd = std::move(fd);
  level.path_size = item_.path.size();
  level.device = st.st_dev;
  level.inode = st.st_ino;
  levels_.push_back(std::move(level));
  if (levels_.size() > kOpenLevels) levels_[levels_.size() - kOpenLevels - 1].fd.reset();
}

void TreeWalk::pop() {
  sys::UniqueFd child = std::move(levels_.back().fd);
  levels_.pop_back();
  if (levels_.empty() || levels_.back().fd) return;
  Level& level = levels_.back();
  level.fd = sys::open_nofollow_at(child.get(), "..", O_RDONLY | O_DIRECTORY);
  struct stat st;
  if (::fstat(level.fd.get(), &st) < 0 || st.st_dev != level.device || st.st_ino != level.inode)
    throw base::Error(base::Code::kUnavailable, "a tree changed while it was read",
                      "files-changed");
}

const TreeWalk::Item* TreeWalk::next() {
  if (enter_) push(std::move(item_.fd), item_.st);
  enter_ = false;
  while (!levels_.empty() && levels_.back().names.empty()) pop();
  if (levels_.empty()) return nullptr;
  Level& level = levels_.back();
  item_.name = std::move(level.names.back());
  level.names.pop_back();
  item_.path.resize(level.path_size);
  if (!item_.path.empty()) item_.path += '/';
  item_.path += item_.name;
  item_.directory = level.fd.get();
  item_.fd.reset();
  if (::fstatat(item_.directory, item_.name.c_str(), &item_.st, AT_SYMLINK_NOFOLLOW) < 0)
    base::throw_errno("stat " + base::printable(item_.path, 200));
  if (item_.is_directory()) {
    item_.fd = sys::open_nofollow_at(item_.directory, item_.name.c_str(), O_RDONLY | O_DIRECTORY);
    enter_ = true;
  }
  return &item_;
}

}  // namespace layer
