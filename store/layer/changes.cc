#include "store/layer/changes.h"

#include <fcntl.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/text.h"
#include "store/layer/stored_form.h"
#include "store/layer/tree_walk.h"

namespace layer {

namespace {

bool same_metadata(const struct stat& a, const struct stat& b) {
  return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

class ChangeList {
 public:
  ChangeList(const sys::Root& tree, const sys::Root* lower) : tree_(tree), lower_(lower) {}

  std::vector<Change> run() {
    TreeWalk walk(tree_);
    while (const TreeWalk::Item* item = walk.next()) look(*item);
    std::vector<Change> kept;
    for (Change& change : changes_) {
      // A directory that is the same above and below counts only for what is in it.
      if (change.kind == 'u') {
        if (!parents_.contains(change.path)) continue;
        change.kind = 'C';
      }
      kept.push_back(std::move(change));
    }
    std::sort(kept.begin(), kept.end(),
              [](const Change& a, const Change& b) { return a.path < b.path; });
    return kept;
  }

 private:
  struct Ancestor {
    std::string path;
    bool in_lower;  // a directory there, as far up as the root
  };

  // Whether the directory that holds `path` is a directory in the lower view too.
  bool parent_in_lower(const std::string& path) {
    while (!ancestors_.empty() && !path.starts_with(ancestors_.back().path + "/"))
      ancestors_.pop_back();
    return ancestors_.empty() ? lower_ != nullptr : ancestors_.back().in_lower;
  }

  void look(const TreeWalk::Item& item) {
    std::optional<struct stat> below;
    if (parent_in_lower(item.path)) below = lower_->lstat(sys::RootedPath(item.path));
    if (item.is_whiteout()) {
      if (below) add('D', item.path);
      return;
    }
    if (!item.is_directory()) {
      add(below ? 'C' : 'A', item.path);
      return;
    }
    bool merged = below && S_ISDIR(below->st_mode);
    ancestors_.push_back({item.path, merged});
    bool opaque = stored_form(item.st, sys::list_xattrs(item.fd.get())).opaque;
    bool same = merged && !opaque && same_metadata(item.st, *below);
    add(!below ? 'A' : same ? 'u' : 'C', item.path);
    if (opaque && merged) add_hidden(item);
  }

  // An opaque directory deletes what it does not have itself.
  void add_hidden(const TreeWalk::Item& item) {
    sys::UniqueFd below =
        lower_->open_at(sys::RootedPath(item.path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    std::vector<std::string> have = sys::list_names(item.fd.get());
    for (const std::string& name : sys::list_names(below.get())) {
      if (!std::binary_search(have.begin(), have.end(), name)) add('D', item.path + "/" + name);
    }
  }

  void add(char kind, const std::string& path) {
    changes_.push_back({kind, "/" + path});
    if (kind == 'u') return;
    std::string parent = changes_.back().path;
    while (parent.size() > 1) {
      parent.resize(parent.rfind('/'));
      if (!parents_.insert(parent).second) break;
    }
  }

  const sys::Root& tree_;
  const sys::Root* lower_;
  std::vector<Change> changes_;
  std::vector<Ancestor> ancestors_;
  std::unordered_set<std::string> parents_;
};

}  // namespace

std::vector<Change> list_changes(const sys::Root& tree, const sys::Root* lower) {
  return ChangeList(tree, lower).run();
}

}  // namespace layer
