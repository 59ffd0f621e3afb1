#include "builder/solve/copier.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/sys/copy_content.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "builder/solve/layer_reuse.h"

namespace solve {

using context::Node;
using overlay::Target;

namespace {

std::string shown(const Target& target, const std::string& name) {
  return base::printable(target.path().below(name).str());
}

}  // namespace

overlay::Attributes Copier::attributes_of(const Node& node) const {
  overlay::Attributes attributes;
  if (rules_.owner) {
    attributes.uid = rules_.owner->uid;
    attributes.gid = rules_.owner->gid;
  } else if (rules_.keep_owner) {
    attributes.uid = node.st.st_uid;
    attributes.gid = node.st.st_gid;
  }
  attributes.mode = node.st.st_mode & 07777;
  if (rules_.mode) attributes.mode = rules_.mode->apply(attributes.mode, node.is_directory());
  attributes.mtime = node.st.st_mtim;
  return attributes;
}

overlay::Attributes Copier::created_directory() const {
  overlay::Attributes attributes;
  if (rules_.owner) {
    attributes.uid = rules_.owner->uid;
    attributes.gid = rules_.owner->gid;
  }
  if (rules_.mode) attributes.mode = rules_.mode->for_created_directory();
  attributes.mtime = rules_.created_mtime;
  return attributes;
}

void Copier::copy_contents(Node& directory, const Target& target) {
  IgnoreState top;
  copy_children(directory, target, "", top, false);
}

void Copier::copy(Node& node, const Target& target, const std::string& name) {
  IgnoreState top;
  // A file that is itself a source is matched by its own name, so that `*.tmp` leaves it out.
  if (rules_.exclude != nullptr && !node.is_directory() &&
      rules_.exclude->visit(node.name, top).ignored)
    return;
  copy_node(node, target, name, "", top, false);
}

void Copier::copy_below(Node& node, const Target& target, const std::string& path,
                        const IgnoreState& state) {
  copy_node(node, target, node.name, path, state, false);
}

void Copier::copy_parent(const Node& node, const Target& directory, bool is_new) {
  std::string name = directory.path().str();
  if (!is_new) {
    if (::fchmod(directory.fd(), node.st.st_mode & 07777) < 0)
      base::throw_errno("change the mode of " + base::printable(name));
    return;
  }
  copy_xattrs(source_.open(node, O_RDONLY | O_DIRECTORY).get(), directory.fd());
  set_attributes(directory.fd(), attributes_of(node), name);
}

void Copier::copy_children(Node& directory, const Target& target, const std::string& prefix,
                           const IgnoreState& state, bool is_new) {
  for (const auto& child : source_.children(directory)) {
    std::string relative = prefix.empty() ? child->name : prefix + "/" + child->name;
    if (rules_.exclude == nullptr) {
      copy_node(*child, target, child->name, relative, state, is_new);
      continue;
    }
    auto visit = rules_.exclude->visit(relative, state);
    if (!visit.ignored || (child->is_directory() && rules_.exclude->may_reinclude_below(relative)))
      copy_node(*child, target, child->name, relative, visit.state, is_new);
  }
}

void Copier::copy_node(Node& node, const Target& target, const std::string& name,
                       const std::string& relative, const IgnoreState& state, bool is_new) {
  if (node.is_directory()) return copy_directory(node, target, name, relative, state);
  if (!is_new) make_room(target, name);
  if (node.st.st_nlink > 1) {
    auto first = first_links_.find({node.st.st_dev, node.st.st_ino});
    if (first != first_links_.end()) {
      const auto& [directory, first_name] = first->second;
      if (::linkat(directory->get(), first_name.c_str(), target.fd(), name.c_str(), 0) < 0)
        base::throw_errno("link " + shown(target, name));
      return;
    }
  }
  if (node.is_regular())
    copy_regular(node, target, name);
  else
    copy_special(node, target, name);
  if (node.st.st_nlink > 1) remember_link(node, target, name);
}

void Copier::remember_link(const Node& node, const Target& target, const std::string& name) {
  if (!link_directory_ || link_path_ != target.path()) {
    link_directory_ = std::make_shared<sys::UniqueFd>(::fcntl(target.fd(), F_DUPFD_CLOEXEC, 3));
    if (!*link_directory_) base::throw_errno("duplicate descriptor");
    link_path_ = target.path();
  }
  first_links_.emplace(std::pair(node.st.st_dev, node.st.st_ino), std::pair(link_directory_, name));
}

void Copier::copy_directory(Node& node, const Target& target, const std::string& name,
                            const std::string& relative, const IgnoreState& state) {
  std::optional<struct stat> existing = target.find(name);
  if (existing && !S_ISDIR(existing->st_mode)) {
    if (!rules_.replace)
      throw base::Error(base::Code::kInvalid,
                        base::str("cannot copy directory ", base::printable(node.path().str()),
                                  " over ", shown(target, name), ", which is not a directory"),
                        "copy-directory-over-file");
    make_room(target, name);
    existing.reset();
  }
  Target made = existing ? target.open(name) : target.create(name);
  sys::UniqueFd from = source_.open(node, O_RDONLY | O_DIRECTORY);
  copy_children(node, made, relative, state, !existing);
  copy_xattrs(from.get(), made.fd());
  set_attributes(made.fd(), attributes_of(node), made.path().str());
}

void Copier::make_room(const Target& target, const std::string& name) {
  if (::unlinkat(target.fd(), name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR) base::throw_errno("replace " + shown(target, name));
  if (!rules_.replace)
    throw base::Error(base::Code::kInvalid,
                      "cannot copy a file over directory " + shown(target, name),
                      "copy-file-over-directory");
  sys::remove_tree_at(target.fd(), name.c_str());
}

int Copier::source_directory(const Node& node) {
  if (opened_for_ != node.parent) {
    opened_ = source_.open_directory(node);
    opened_for_ = node.parent;
  }
  return opened_.get();
}

void Copier::copy_regular(const Node& node, const Target& target, const std::string& name) {
  if (rules_.reuse != nullptr &&
      rules_.reuse->link(node, source_, attributes_of(node), target, name))
    return;
  sys::UniqueFd from = sys::open_nofollow_at(source_directory(node), node.name.c_str(),
                                             O_RDONLY | O_NONBLOCK);
  struct stat st;
  if (::fstat(from.get(), &st) < 0) base::throw_errno("stat " + base::printable(node.path().str()));
  if (context::FileStamp::of(st) != context::FileStamp::of(node.st))
    throw base::Error(base::Code::kUnavailable,
                      base::printable(node.path().str()) + " changed while the build copied it");
  overlay::Attributes attributes = attributes_of(node);
  sys::UniqueFd to(::openat(target.fd(), name.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to) base::throw_errno("create " + shown(target, name));
  base::with_context("copy to " + shown(target, name),
                     [&] { sys::copy_content(from.get(), to.get(), node.st); });
  copy_xattrs(from.get(), to.get());
  set_attributes(to.get(), attributes, target.path().below(name).str());
}

void Copier::copy_special(const Node& node, const Target& target, const std::string& name) {
  if (node.is_link()) {
    if (::symlinkat(node.link.c_str(), target.fd(), name.c_str()) < 0)
      base::throw_errno("create link " + shown(target, name));
  } else if (S_ISSOCK(node.st.st_mode)) {
    return;  // a socket has no meaning in a layer
  } else if (::mknodat(target.fd(), name.c_str(), node.st.st_mode, node.st.st_rdev) < 0) {
    base::throw_errno("create " + shown(target, name));
  }
  set_attributes_at(target.fd(), name, node.is_link(), attributes_of(node));
}

void Copier::copy_xattrs(int from, int to) const {
  for (const auto& [name, value] : sys::list_xattrs(from)) {
    if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) continue;
    if (name == "security.selinux") continue;  // a label of this host, not of the image
    sys::set_xattr(to, name, value);
  }
}

}  // namespace solve
