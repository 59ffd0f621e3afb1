#include "base/sys/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/sys/root.h"

namespace sys {

namespace {

// Opens a directory for removal of its content; gives itself the right to if the mode forbids it.
UniqueFd open_for_removal(int dir_fd, const char* name, dev_t device) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(::openat(dir_fd, name, kFlags));
  if (!fd && errno == EACCES) {
    UniqueFd path(::openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    std::string proc = "/proc/self/fd/" + std::to_string(path.get());
    if (path && ::chmod(proc.c_str(), 0700) == 0) fd = UniqueFd(::openat(dir_fd, name, kFlags));
  }
  if (!fd) base::throw_errno(std::string("open for removal ") + name);
  struct stat st;
  if (::fstat(fd.get(), &st) < 0) base::throw_errno("stat for removal");
  if (st.st_dev != device) throw base::SystemError("refusing to remove across a mount", EXDEV);
  return fd;
}

// Empties one directory of everything that is not a directory and returns the directories in it.
std::vector<std::string> unlink_files(int fd) {
  std::vector<std::string> directories;
  bool writable = false;
  for (std::string& name : list_names(fd)) {
    if (::unlinkat(fd, name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno == EACCES && !writable) {
      writable = true;
      ::fchmod(fd, 0700);
      if (::unlinkat(fd, name.c_str(), 0) == 0) continue;
    }
    if (errno != EISDIR && errno != EPERM) base::throw_errno("remove " + name);
    directories.push_back(std::move(name));
  }
  return directories;
}

struct Level {
  UniqueFd fd;
  std::string name;                    // in the level above
  std::vector<std::string> remaining;  // directories still to be removed
};

}  // namespace

void remove_tree_at(int dir_fd, const char* name) {
  struct stat st;
  if (::fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT) return;
    base::throw_errno(std::string("stat ") + name);
  }
  if (!S_ISDIR(st.st_mode)) {
    if (::unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
      base::throw_errno(std::string("remove ") + name);
    return;
  }
  // Only the deepest kOpen levels keep a descriptor; others are reopened through "..", which is
  // safe because the tree being removed belongs to us alone.
  std::vector<Level> stack;
  auto push = [&](int parent, std::string child) {
    UniqueFd fd = open_for_removal(parent, child.c_str(), st.st_dev);
    std::vector<std::string> directories = unlink_files(fd.get());
    stack.push_back({std::move(fd), std::move(child), std::move(directories)});
    constexpr size_t kOpen = 64;
    if (stack.size() > kOpen) stack[stack.size() - kOpen - 1].fd.reset();
  };
  push(dir_fd, name);
  while (!stack.empty()) {
    Level& top = stack.back();
    if (!top.remaining.empty()) {
      std::string child = std::move(top.remaining.back());
      top.remaining.pop_back();
      push(top.fd.get(), std::move(child));
      continue;
    }
    Level done = std::move(stack.back());
    stack.pop_back();
    int parent = dir_fd;
    if (!stack.empty()) {
      Level& above = stack.back();
      if (!above.fd) {
        above.fd = UniqueFd(::openat(done.fd.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!above.fd) base::throw_errno("open parent directory");
      }
      parent = above.fd.get();
    }
    done.fd.reset();
    if (::unlinkat(parent, done.name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
      base::throw_errno("remove directory " + done.name);
  }
}

void remove_tree(const std::filesystem::path& path) { remove_tree_at(AT_FDCWD, path.c_str()); }

void give_tree(int fd, uid_t uid, gid_t gid) {
  struct stat top = {};
  if (::fstat(fd, &top) < 0) base::throw_errno("stat what is given away");
  std::vector<UniqueFd> todo;
  auto give = [&](int directory, const char* name, const struct stat& st) {
    // Nothing is written where nothing changes, and set-id bits stay.
    if ((st.st_uid != uid || st.st_gid != gid) &&
        ::fchownat(directory, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
      base::throw_errno(std::string("change the owner of ") + (*name == '\0' ? "the top" : name));
    if (!S_ISDIR(st.st_mode)) return;
    UniqueFd below(::openat(directory, *name == '\0' ? "." : name,
                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!below) base::throw_errno(std::string("open ") + name);
    todo.push_back(std::move(below));
  };
  give(fd, "", top);
  while (!todo.empty()) {
    const UniqueFd directory = std::move(todo.back());
    todo.pop_back();
    for (const std::string& name : list_names(directory.get())) {
      struct stat st = {};
      if (::fstatat(directory.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT) continue;
        base::throw_errno("stat " + name);
      }
      if (st.st_dev == top.st_dev) give(directory.get(), name.c_str(), st);
    }
  }
}

uint64_t disk_usage(const std::filesystem::path& directory) {
  uint64_t total = 0;
  std::set<std::pair<dev_t, ino_t>> seen;
  std::vector<UniqueFd> todo;
  UniqueFd top(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top) {
    if (errno == ENOENT) return 0;
    base::throw_errno("open " + directory.string());
  }
  todo.push_back(std::move(top));
  while (!todo.empty()) {
    UniqueFd dir = std::move(todo.back());
    todo.pop_back();
    for (const std::string& name : list_names(dir.get())) {
      struct stat st;
      if (::fstatat(dir.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
      if (st.st_nlink > 1 && !S_ISDIR(st.st_mode) && !seen.insert({st.st_dev, st.st_ino}).second)
        continue;
      total += static_cast<uint64_t>(st.st_blocks) * 512;
      if (!S_ISDIR(st.st_mode)) continue;
      UniqueFd below(
          ::openat(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (below) todo.push_back(std::move(below));
    }
  }
  return total;
}

}  // namespace sys
