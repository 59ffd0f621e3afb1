#include "store/layer/contents.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <unordered_set>

#include "store/layer/stored_form.h"
#include "store/layer/tree_walk.h"

namespace layer {

namespace {

/// What the layers above one hide of it.
class Hidden {
 public:
  bool has(const std::string& path) const {
    if (covers_.contains(path) || directories_.contains(path)) return true;
    for (std::string parent = path; parent.find('/') != std::string::npos;) {
      parent.resize(parent.rfind('/'));
      if (covers_.contains(parent) || opaque_.contains(parent)) return true;
    }
    return opaque_.contains("");
  }

  /// Of the layer just looked at. Directories are merged; whatever else is in a place replaces it.
  void add(const TreeWalk::Item& item) {
    if (!item.is_directory()) {
      covers_.insert(item.path);
      return;
    }
    directories_.insert(item.path);
    if (stored_form(item.st, sys::list_xattrs(item.fd.get())).opaque) opaque_.insert(item.path);
  }
  void add_root(const sys::Root& tree) {
    sys::UniqueFd root = tree.open_at(sys::RootedPath("/"), O_RDONLY | O_DIRECTORY);
    struct stat st;
    if (::fstat(root.get(), &st) == 0 && stored_form(st, sys::list_xattrs(root.get())).opaque)
      opaque_.insert("");
  }

 private:
  std::unordered_set<std::string> covers_;       // no directories: whiteouts too
  std::unordered_set<std::string> directories_;  // hide a file of that name
  std::unordered_set<std::string> opaque_;       // hide what is below them
};

LayerContents measure(const sys::Root& tree, Hidden& hidden, size_t largest) {
  Hidden with_this = hidden;
  std::map<ino_t, SizedFile> files;
  with_this.add_root(tree);
  TreeWalk walk(tree);
  while (const TreeWalk::Item* item = walk.next()) {
    with_this.add(*item);
    if (!S_ISREG(item->st.st_mode)) continue;
    const bool is_hidden = hidden.has(item->path);
    auto [file, is_new] = files.try_emplace(
        item->st.st_ino,
        SizedFile{"/" + item->path, static_cast<uint64_t>(item->st.st_size), is_hidden});
    if (!is_new && !is_hidden) file->second.hidden = false;
  }
  hidden = std::move(with_this);
  LayerContents contents;
  for (auto& [inode, file] : files) {
    contents.file_bytes += file.size_bytes;
    if (file.hidden) contents.hidden_bytes += file.size_bytes;
    contents.largest.push_back(std::move(file));
  }
  std::sort(contents.largest.begin(), contents.largest.end(),
            [](const SizedFile& a, const SizedFile& b) {
              return a.size_bytes != b.size_bytes ? a.size_bytes > b.size_bytes : a.path < b.path;
            });
  contents.largest.resize(std::min(contents.largest.size(), largest));
  return contents;
}

uint64_t bytes_below(const sys::Root& root, const sys::RootedPath& path) {
  uint64_t bytes = 0;
  const sys::Root directory = root.subdirectory(path);
  TreeWalk walk(directory);
  while (const TreeWalk::Item* item = walk.next())
    if (S_ISREG(item->st.st_mode)) bytes += static_cast<uint64_t>(item->st.st_size);
  return bytes;
}

std::optional<PathState> state_of(const sys::Root& root, const std::string& text) {
  const sys::RootedPath path(text);
  const std::optional<struct stat> st = root.lstat(path);
  if (!st) return std::nullopt;
  sys::UniqueFd parent = root.open_at(path.parent(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  const std::string name = text.substr(text.rfind('/') + 1);
  // Owners and devices that an ordinary user cannot give stand in attributes.
  const Entry entry = stored_form(*st, sys::list_xattrs_at(parent.get(), name.c_str())).entry;
  PathState state;
  state.type = S_ISREG(st->st_mode)   ? 'f'
               : S_ISDIR(st->st_mode) ? 'd'
               : S_ISLNK(st->st_mode) ? 'l'
                                      : '-';
  state.mode = entry.mode & 07777;
  state.uid = static_cast<uint32_t>(entry.uid);
  state.gid = static_cast<uint32_t>(entry.gid);
  if (state.type == 'f') state.size_bytes = static_cast<uint64_t>(st->st_size);
  return state;
}

}  // namespace

std::vector<LayerContents> measure_layers(const std::vector<sys::Root>& trees, size_t largest) {
  std::vector<LayerContents> contents;
  Hidden hidden;
  for (auto tree = trees.rbegin(); tree != trees.rend(); ++tree)
    contents.push_back(measure(*tree, hidden, largest));
  std::reverse(contents.begin(), contents.end());
  return contents;
}

std::vector<DescribedChange> describe_changes(const std::vector<Change>& changes,
                                              const sys::Root* before, const sys::Root& after) {
  std::vector<DescribedChange> described;
  for (const Change& change : changes) {
    DescribedChange each{change};
    if (change.kind != 'A' && before != nullptr) each.before = state_of(*before, change.path);
    if (change.kind != 'D') each.after = state_of(after, change.path);
    if (change.kind == 'D' && each.before && each.before->type == 'd')
      each.before->size_bytes = bytes_below(*before, sys::RootedPath(change.path));
    described.push_back(std::move(each));
  }
  return described;
}

}  // namespace layer
