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

constexpr off_t kLarge = 1 << 20;
constexpr off_t kPastCache =
    off_t{256} << 20;  // smaller ones may well be pushed or run before they are dropped

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
  sys::UniqueFd from = source_.open(node, O_RDONLY | O_DIRECTORY);
  copy_xattrs(sys::list_xattrs(from.get()), directory.fd());
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
    if (!visit.ignored || keeps_any(*child, relative, visit.state))
      copy_node(*child, target, child->name, relative, visit.state, is_new);
  }
}

bool Copier::keeps_any(Node& node, const std::string& relative, const IgnoreState& state) {
  if (!node.is_directory() || !rules_.exclude->may_reinclude_below(relative)) return false;
  for (const auto& child : source_.children(node)) {
    std::string path = relative + "/" + child->name;
    auto visit = rules_.exclude->visit(path, state);
    if (!visit.ignored || keeps_any(*child, path, visit.state)) return true;
  }
  return false;
}

void Copier::copy_node(Node& node, const Target& target, const std::string& name,
                       const std::string& relative, const IgnoreState& state, bool is_new) {
  if (node.is_directory()) return copy_directory(node, target, name, relative, state);
  if (S_ISSOCK(node.st.st_mode)) return;  // it has no meaning in a layer
  if (!is_new) make_room(target, name);
  if (node.st.st_nlink > 1) {
    auto [first, is_first] =
        first_links_.emplace(std::pair(node.st.st_dev, node.st.st_ino), target.path().below(name));
    if (!is_first) return link(first->second, target, name);
  }
  if (node.is_regular())
    copy_regular(node, target, name);
  else
    copy_special(node, target, name);
}

// Both names through the overlay, or both in the writable layer itself: they are two file systems.
void Copier::link(const sys::RootedPath& first, const Target& target, const std::string& name) {
  const sys::Root& root = target.is_fresh() ? active_.upper() : active_.merged();
  sys::UniqueFd from = root.open_at(first.parent(), O_PATH | O_DIRECTORY);
  if (::linkat(from.get(), std::string(first.name()).c_str(), target.fd(), name.c_str(), 0) < 0)
    base::throw_errno("link " + shown(target, name));
  announce(target, name);
}

void Copier::announce(const Target& target, const std::string& name) {
  if (rules_.follower == nullptr) return;
  rules_.follower->entry(target.path().below(name).relative());
}

// Its hashing is worth a thread, and can begin before the end: what it will be is known.
bool Copier::is_large(const Node& node, const sys::Xattrs& xattrs) const {
  return rules_.follower != nullptr && node.st.st_size >= kLarge && !sys::has_holes(node.st) &&
         xattrs.empty();
}

void Copier::copy_large(const Node& node, const std::string& path,
                        const overlay::Attributes& attributes, int from, int to) {
  struct stat st = node.st;
  st.st_mode = S_IFREG | attributes.mode;
  st.st_uid = attributes.uid;
  st.st_gid = attributes.gid;
  if (rules_.is_read_again || st.st_size < kPastCache || sys::share_extents(from, to)) {
    auto growing = rules_.follower->growing(path, st);
    sys::copy_content(from, to, st, [&](uint64_t bytes) { growing->add(bytes); });
  } else {
    auto streamed = rules_.follower->streamed(path, st);
    sys::copy_past_cache(from, to, st, [&](auto&&... piece) { streamed->add(piece...); });
  }
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
  const sys::Xattrs xattrs = sys::list_xattrs(from.get());
  const overlay::Attributes attributes = attributes_of(node);
  if (rules_.follower != nullptr) {
    // Those that files in it would inherit must not be there before them.
    if (!xattrs.empty()) rules_.follower->abandon();
    set_attributes(made.fd(), attributes, made.path().str());
    rules_.follower->directory(made.path().relative(), made.fd(), *attributes.mtime);
  }
  copy_children(node, made, relative, state, !existing);
  copy_xattrs(xattrs, made.fd());
  set_attributes(made.fd(), attributes, made.path().str());
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
    return announce(target, name);
  sys::UniqueFd from =
      sys::open_nofollow_at(source_directory(node), node.name.c_str(), O_RDONLY | O_NONBLOCK);
  struct stat st;
  if (::fstat(from.get(), &st) < 0) base::throw_errno("stat " + base::printable(node.path().str()));
  if (context::FileStamp::of(st) != context::FileStamp::of(node.st))
    throw base::Error(base::Code::kUnavailable,
                      base::printable(node.path().str()) + " changed while the build copied it",
                      "files-changed");
  overlay::Attributes attributes = attributes_of(node);
  sys::UniqueFd to(::openat(target.fd(), name.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to) base::throw_errno("create " + shown(target, name));
  const sys::Xattrs xattrs = sys::list_xattrs(from.get());
  const sys::RootedPath path = target.path().below(name);
  const bool large = is_large(node, xattrs);
  base::with_context("copy to " + shown(target, name), [&] {
    if (large)
      copy_large(node, path.relative(), attributes, from.get(), to.get());
    else
      sys::copy_content(from.get(), to.get(), node.st);
  });
  // The writing of large files has begun.
  if (!large) active_.wrote(static_cast<uint64_t>(node.st.st_size));
  copy_xattrs(xattrs, to.get());
  set_attributes(to.get(), attributes, path.str());
  if (!large) announce(target, name);
}

void Copier::copy_special(const Node& node, const Target& target, const std::string& name) {
  if (node.is_link()) {
    if (::symlinkat(node.link.c_str(), target.fd(), name.c_str()) < 0)
      base::throw_errno("create link " + shown(target, name));
  } else if (::mknodat(target.fd(), name.c_str(), node.st.st_mode, node.st.st_rdev) < 0) {
    base::throw_errno("create " + shown(target, name));
  }
  set_attributes_at(target.fd(), name, node.is_link(), attributes_of(node));
  announce(target, name);
}

void Copier::copy_xattrs(const sys::Xattrs& xattrs, int to) const {
  for (const auto& [name, value] : xattrs) {
    if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) continue;
    if (name == "security.selinux") continue;  // a label of this host, not of the image
    sys::set_xattr(to, name, value);
  }
}

}  // namespace solve
