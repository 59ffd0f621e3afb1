#include "builder/solve/layer_duplicates.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/sys/root.h"

namespace solve {

namespace {

// Whether the regular files below `fd` have `enough` bytes together.
bool has_bytes(int fd, uint64_t enough, uint64_t& seen) {
  for (const std::string& name : sys::list_names(fd)) {
    struct stat st;
    if (::fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    if (S_ISREG(st.st_mode)) seen += static_cast<uint64_t>(st.st_size);
    if (seen >= enough) return true;
    if (!S_ISDIR(st.st_mode)) continue;
    sys::UniqueFd child = sys::open_nofollow_at(fd, name.c_str(), O_RDONLY | O_DIRECTORY);
    if (has_bytes(child.get(), enough, seen)) return true;
  }
  return false;
}

bool same_bytes(int one_directory, int other_directory, const std::string& name) {
  constexpr size_t kBlock = 64 << 10;
  sys::UniqueFd one(
      ::openat(one_directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  sys::UniqueFd other(
      ::openat(other_directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!one || !other) return false;
  std::vector<char> left(kBlock);
  std::vector<char> right(kBlock);
  for (off_t at = 0;;) {
    ssize_t n = ::pread(one.get(), left.data(), kBlock, at);
    ssize_t m = ::pread(other.get(), right.data(), kBlock, at);
    if (n < 0 || n != m || !std::equal(left.begin(), left.begin() + n, right.begin())) return false;
    if (n == 0) return true;
    at += n;
  }
}

class Search {
 public:
  explicit Search(uint64_t at_least) : at_least_(at_least) {}

  void directory(int above, int below, const std::string& path) {
    for (const std::string& name : sys::list_names(above)) {
      struct stat now;
      struct stat before;
      if (::fstatat(above, name.c_str(), &now, AT_SYMLINK_NOFOLLOW) < 0 ||
          ::fstatat(below, name.c_str(), &before, AT_SYMLINK_NOFOLLOW) < 0 ||
          (now.st_mode & S_IFMT) != (before.st_mode & S_IFMT))
        continue;
      if (S_ISDIR(now.st_mode)) {
        sys::UniqueFd inner = sys::open_nofollow_at(above, name.c_str(), O_RDONLY | O_DIRECTORY);
        sys::UniqueFd outer = sys::open_nofollow_at(below, name.c_str(), O_RDONLY | O_DIRECTORY);
        directory(inner.get(), outer.get(), path + "/" + name);
      } else if (S_ISREG(now.st_mode)) {
        file(above, below, name, now, before, path);
      }
    }
  }

  const Duplicates& found() const { return found_; }

 private:
  void file(int above, int below, const std::string& name, const struct stat& now,
            const struct stat& before, const std::string& path) {
    if (now.st_size == 0 || now.st_size != before.st_size ||
        now.st_mtim.tv_sec != before.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
      return;
    if (found_.bytes < at_least_ && !same_bytes(above, below, name)) return;
    const uint64_t size = static_cast<uint64_t>(now.st_size);
    found_.bytes += size;
    ++found_.files;
    if (size <= largest_) return;
    largest_ = size;
    found_.largest = path + "/" + name;
  }

  uint64_t at_least_;
  uint64_t largest_ = 0;
  Duplicates found_;
};

}  // namespace

Duplicates find_duplicates(const store::Store& store, const overlay::Active& active,
                           uint64_t at_least) {
  if (active.below().empty()) return {};
  sys::UniqueFd above = sys::open_nofollow_at(active.upper().fd(), ".", O_RDONLY | O_DIRECTORY);
  uint64_t seen = 0;
  if (!has_bytes(above.get(), at_least, seen)) return {};
  overlay::View view(store, active.below());
  sys::UniqueFd below = sys::open_nofollow_at(view.root().fd(), ".", O_RDONLY | O_DIRECTORY);
  Search search(at_least);
  search.directory(above.get(), below.get(), "");
  return search.found().bytes < at_least ? Duplicates{} : search.found();
}

}  // namespace solve
