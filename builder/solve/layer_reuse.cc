#include "builder/solve/layer_reuse.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/solve/copy_step.h"

namespace solve {

LayerReuse::LayerReuse(std::string_view definition, overlay::TreePtr layer,
                       sys::RootedPath destination)
    : layer_(std::move(layer)),
      root_(sys::Root::open(layer_->path())),
      destination_(std::move(destination)),
      prefix_(destination_.is_root() ? "/" : destination_.str() + "/") {
  constexpr std::string_view kField = "file ";
  while (!definition.empty()) {
    size_t end = std::min(definition.find('\n'), definition.size());
    std::string_view line = definition.substr(0, end);
    definition.remove_prefix(std::min(end + 1, definition.size()));
    size_t tab = line.find('\t');
    // A definition escapes what would break its lines; such names are not worth the trouble.
    if (!line.starts_with(kField) || tab == std::string_view::npos || tab != line.rfind('\t') ||
        line.find('\\') != std::string_view::npos)
      continue;
    std::string name(line.substr(kField.size(), tab - kField.size()));
    auto [entry, is_new] = identities_.emplace(std::move(name), line.substr(tab + 1));
    // Two sources had a file of that name: which of them the layer holds is not told.
    if (!is_new) entry->second.clear();
  }
}

const std::string* LayerReuse::identity_before(const sys::RootedPath& path) const {
  if (path == destination_) return identities_.size() == 1 ? &identities_.begin()->second : nullptr;
  if (!path.str().starts_with(prefix_)) return nullptr;
  auto found = identities_.find(path.str().substr(prefix_.size()));
  return found == identities_.end() ? nullptr : &found->second;
}

// The same directory in the old layer, no link followed; -1 when there is none.
int LayerReuse::directory_before(const sys::RootedPath& path) {
  if (opened_for_ == path) return opened_.get();
  opened_for_ = path;
  opened_ = root_.open_at(sys::RootedPath(), O_PATH | O_DIRECTORY);
  for (const std::string& name : path.components()) {
    opened_ = sys::UniqueFd(
        ::openat(opened_.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!opened_) break;
  }
  return opened_.get();
}

bool LayerReuse::link(const context::Node& node, const context::FileTree& files,
                      const overlay::Attributes& wanted, const overlay::Target& target,
                      const std::string& name) {
  if (!wanted.mtime) return false;
  const std::string* before = identity_before(target.path().below(name));
  if (before == nullptr || *before != file_identity(files, node, false)) return false;
  int directory = directory_before(target.path());
  struct stat st;
  if (directory < 0 || ::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0)
    return false;
  bool alike = S_ISREG(st.st_mode) && st.st_size == node.st.st_size && st.st_uid == wanted.uid &&
               st.st_gid == wanted.gid && (st.st_mode & 07777) == wanted.mode &&
               st.st_mtim.tv_sec == wanted.mtime->tv_sec &&
               st.st_mtim.tv_nsec == wanted.mtime->tv_nsec;
  // What were two names of one file may be two files now.
  if (!alike || !taken_.insert(st.st_ino).second) return false;
  // Refused for many reasons: another mount, too many links, the owner in a user namespace.
  return ::linkat(directory, name.c_str(), target.fd(), name.c_str(), 0) == 0;
}

}  // namespace solve
