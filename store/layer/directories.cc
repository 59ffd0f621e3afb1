#include "store/layer/directories.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "store/layer/member_path.h"

namespace layer {

namespace {

constexpr size_t kMaxOpen = 64;
// Of the directories that were opened on the way to another, the last stay open: who works on a
// deep tree from below needs them next. Few enough that two ways fit below kMaxOpen.
constexpr size_t kKeptOfWay = 16;

[[noreturn]] void invalid(const std::string& rule) {
  throw base::Error(base::Code::kInvalid, rule, "layer-path");
}

bool is_whiteout_stat(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }

// False when nothing is there.
bool stat_at(int dir, const char* name, struct stat& st) {
  if (::fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT) return false;
  base::throw_errno("stat");
}

}  // namespace

struct Directories::Node {
  Node* parent = nullptr;  // nullptr: the root
  std::string name;
  uint32_t depth = 0;
  sys::UniqueFd fd;
  std::list<Node*>::iterator open_place;
  std::optional<Attributes> pending;
  enum class Lower { kUnknown, kVisible, kHidden } lower = Lower::kUnknown;
};

Directories::Directories(const sys::Root& root, FileMaker& maker, Options options)
    : tree_(root), maker_(maker), options_(std::move(options)), root_(std::make_unique<Node>()) {
  root_->fd = sys::open_nofollow_at(root.fd(), ".", O_RDONLY | O_DIRECTORY);
  if (options_.layer) {
    if (::fchmod(root_->fd.get(), 0700) < 0) base::throw_errno("change mode of the layer's root");
    root_->pending = Attributes{};
  }
}

Directories::~Directories() = default;

std::vector<std::string> Directories::clean(std::string_view path) const {
  return path_components(path, !options_.layer);
}

Directories::Spot Directories::locate(std::string_view path) {
  // Most members follow a sibling, and are clean already.
  size_t slash = path.rfind('/');
  if (last_node_ != nullptr && slash != std::string_view::npos &&
      path.substr(0, slash) == last_parent_) {
    std::string_view name = path.substr(slash + 1);
    if (!name.empty() && name != "." && name != ".." && name.size() <= kMaxNameBytes)
      return {last_node_, std::string(name)};
  }
  std::vector<std::string> components = clean(path);
  if (components.empty()) return {root_.get(), ""};
  std::string name = std::move(components.back());
  components.pop_back();
  bool sibling = slash != std::string_view::npos && path.substr(slash + 1) == name;
  Node* node = walk(std::move(components), true);
  if (sibling) {
    last_node_ = node;
    last_parent_ = path.substr(0, slash);
  }
  return {node, std::move(name)};
}

std::optional<Directories::Spot> Directories::find(std::string_view path) {
  std::vector<std::string> components = clean(path);
  if (components.empty()) return Spot{root_.get(), ""};
  std::string name = std::move(components.back());
  components.pop_back();
  Node* node = walk(std::move(components), false);
  if (node == nullptr) return std::nullopt;
  struct stat st;
  if (!stat_at(fd(*node), name.c_str(), st)) return std::nullopt;
  if (options_.layer && is_whiteout_stat(st)) return std::nullopt;
  return Spot{node, std::move(name)};
}

// `components` is what is still to be walked; it is kept reversed so that links can be spliced in.
Directories::Node* Directories::walk(std::vector<std::string> components, bool create) {
  std::reverse(components.begin(), components.end());
  Node* node = root_.get();
  int links = 0;
  while (!components.empty()) {
    std::string name = std::move(components.back());
    components.pop_back();
    if (name.empty() || name == ".") continue;
    if (name == "/") {
      node = root_.get();
      continue;
    }
    if (name == "..") {
      if (node->parent != nullptr) node = node->parent;
      continue;
    }
    node = child(*node, name, create, components, links);
    if (node == nullptr) return nullptr;
  }
  return node;
}

// The node `name` in `parent`; `parent` itself when a link was met, whose target is now in `rest`.
Directories::Node* Directories::child(Node& parent, const std::string& name, bool create,
                                      std::vector<std::string>& rest, int& links) {
  auto known = nodes_.find(Key{&parent, name});
  if (known != nodes_.end()) return known->second.get();
  struct stat st;
  if (!stat_at(fd(parent), name.c_str(), st))
    return create ? missing(parent, name, rest, links) : nullptr;
  if (S_ISDIR(st.st_mode)) return &load(parent, name);
  if (S_ISLNK(st.st_mode)) {
    follow_link(sys::read_link_at(fd(parent), name.c_str()), rest, links);
    return &parent;
  }
  if (options_.layer && is_whiteout_stat(st)) {
    if (!create) return nullptr;
    Spot spot{&parent, name};
    ++implied_;
    return &make_directory(spot, Attributes{});
  }
  invalid(base::str("the parent ", base::printable(name, 100), " is not a directory"));
}

// Makes a directory that no entry mentioned, as it is in the lower layers.
Directories::Node* Directories::missing(Node& parent, const std::string& name,
                                        std::vector<std::string>& rest, int& links) {
  Attributes attributes;
  FileMaker::Xattrs xattrs;
  if (options_.layer) {
    depends_on_lower_ = true;
    if (lower_visible(parent)) {
      sys::RootedPath path(path_of(parent) + "/" + name);
      std::optional<struct stat> st = lower()->lstat(path);
      if (st && S_ISLNK(st->st_mode)) {
        sys::UniqueFd link = lower()->open_at(path, O_PATH | O_NOFOLLOW);
        follow_link(sys::read_link_at(link.get(), ""), rest, links);
        return &parent;
      }
      if (st && S_ISDIR(st->st_mode)) {
        attributes = attributes_of(*st);
        sys::UniqueFd directory = lower()->open_at(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        xattrs = sys::list_xattrs(directory.get());
      }
    }
  }
  if (++implied_ > options_.max_directories)
    invalid(base::str("more than ", options_.max_directories, " directories without an entry"));
  maker_.make_directory(fd(parent), name.c_str());
  Node& node = add(parent, name, attributes);
  if (!xattrs.empty()) {
    std::erase_if(xattrs, [](const auto& item) {
      return item.first.starts_with("trusted.overlay.") || item.first.starts_with("user.overlay.");
    });
    for (const auto& [key, value] : xattrs) sys::set_xattr(fd(node), key, value);
  }
  if (!options_.layer) {
    // Nothing is pending in an existing tree: the directory is done, its time is now.
    maker_.apply_to_new_directory(fd(node), attributes);
    node.pending.reset();
  }
  return &node;
}

Directories::Node& Directories::add(Node& parent, const std::string& name,
                                    std::optional<Attributes> pending) {
  auto node = std::make_unique<Node>();
  node->parent = &parent;
  node->name = name;
  node->depth = parent.depth + 1;
  if (node->depth > options_.max_depth)
    invalid(base::str("more than ", options_.max_depth, " directories below one another"));
  node->pending = std::move(pending);
  Node& added = *node;
  nodes_.emplace(Key{&parent, added.name}, std::move(node));
  return added;
}

// A directory that is in the tree already: made before a flush, or (in an archive's destination)
// by others.
Directories::Node& Directories::load(Node& parent, const std::string& name) {
  struct stat st;
  if (!stat_at(fd(parent), name.c_str(), st)) invalid("a directory vanished");
  Node& node = add(parent, name, std::nullopt);
  if (options_.layer || flushed_) node.pending = attributes_of(st);
  // A mode that was applied already may keep an ordinary user out.
  if ((st.st_mode & 0700) != 0700 && st.st_uid == ::geteuid()) {
    node.pending = attributes_of(st);
    if (::fchmodat(fd(parent), name.c_str(), 0700, 0) < 0) base::throw_errno("change mode");
  }
  return node;
}

int Directories::fd(Node& node) {
  if (&node == root_.get()) return node.fd.get();
  if (node.fd) {
    open_.splice(open_.begin(), open_, node.open_place);
    return node.fd.get();
  }
  open(node);
  return node.fd.get();
}

void Directories::keep_open(Node& node, sys::UniqueFd fd) {
  node.fd = std::move(fd);
  open_.push_front(&node);
  node.open_place = open_.begin();
  if (open_.size() > kMaxOpen) {
    open_.back()->fd.reset();
    open_.pop_back();
  }
}

std::pair<int, int> Directories::fds(Node& first, Node& second) {
  // The most recently used stay open, so both are.
  fd(first);
  int other = fd(second);
  return {fd(first), other};
}

// Goes up to the nearest open ancestor and opens its way down.
void Directories::open(Node& node) {
  std::vector<Node*> way;
  Node* at = &node;
  for (; at->parent != nullptr && !at->fd; at = at->parent) way.push_back(at);
  sys::UniqueFd current;
  int dir = at->fd.get();
  while (!way.empty()) {
    Node& step = *way.back();
    sys::UniqueFd next = sys::open_nofollow_at(dir, step.name.c_str(), O_RDONLY | O_DIRECTORY);
    dir = next.get();
    if (way.size() <= kKeptOfWay)
      keep_open(step, std::move(next));
    else
      current = std::move(next);
    way.pop_back();
  }
}

std::string Directories::path_of(const Node& node) const {
  std::vector<const Node*> way;
  for (const Node* at = &node; at->parent != nullptr; at = at->parent) way.push_back(at);
  std::string path;
  for (auto step = way.rbegin(); step != way.rend(); ++step) {
    path += '/';
    path += (*step)->name;
  }
  return path;
}

std::string Directories::path_of(const Spot& spot) const {
  return path_of(*spot.directory) + "/" + spot.name;
}

const sys::Root* Directories::lower() {
  if (!lower_) lower_ = options_.lower ? options_.lower() : nullptr;
  return *lower_;
}

// Whether the lower layers' directory of the same path shows through: no opaque directory above,
// and directories there all the way.
bool Directories::lower_visible(Node& node) {
  if (lower() == nullptr) return false;
  std::vector<Node*> way;
  for (Node* at = &node; at != nullptr; at = at->parent) {
    way.push_back(at);
    if (at->lower != Node::Lower::kUnknown) break;
  }
  bool visible = true;
  for (auto step = way.rbegin(); step != way.rend(); ++step) {
    Node& at = **step;
    if (at.lower == Node::Lower::kUnknown) {
      if (visible && at.parent != nullptr) {
        std::optional<struct stat> st = lower()->lstat(sys::RootedPath(path_of(at)));
        visible = st && S_ISDIR(st->st_mode);
      }
      char value;
      if (visible) visible = ::fgetxattr(fd(at), opaque_name(), &value, 1) != 1 || value != 'y';
      at.lower = visible ? Node::Lower::kVisible : Node::Lower::kHidden;
    }
    visible = at.lower == Node::Lower::kVisible;
  }
  return visible;
}

std::optional<std::string> Directories::find_lower(std::string_view path) {
  depends_on_lower_ = true;
  if (lower() == nullptr) return std::nullopt;
  std::vector<std::string> components = clean(path);
  if (components.empty()) return std::nullopt;
  std::string name = std::move(components.back());
  components.pop_back();
  sys::RootedPath parent = lower()->resolve(sys::RootedPath("/" + base::join(components, "/")));
  sys::RootedPath target = parent.below(name);
  std::optional<struct stat> st = lower()->lstat(target);
  if (!st || S_ISDIR(st->st_mode)) return std::nullopt;
  Spot spot = locate(target.str());
  struct stat in_tree;
  if (stat_at(fd(*spot.directory), spot.name.c_str(), in_tree)) return std::nullopt;
  if (!lower_visible(*spot.directory)) return std::nullopt;
  return target.str();
}

const char* Directories::opaque_name() const {
  return options_.user_xattr ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

void Directories::make_opaque(Node& node) {
  sys::set_xattr(fd(node), opaque_name(), "y");
  node.lower = Node::Lower::kHidden;
  if (&node == root_.get()) root_opaque_ = true;
}

Directories::Node& Directories::existing(const Spot& spot) {
  auto known = nodes_.find(Key{spot.directory, spot.name});
  return known != nodes_.end() ? *known->second : load(*spot.directory, spot.name);
}

Directories::Node& Directories::make_directory(Spot& spot, const Attributes& attributes) {
  if (spot.name.empty()) {
    root_->pending = attributes;
    return *root_;
  }
  bool hides = false;
  if (!maker_.make_directory(fd(*spot.directory), spot.name.c_str())) {
    struct stat st;
    if (stat_at(fd(*spot.directory), spot.name.c_str(), st) && S_ISDIR(st.st_mode)) {
      Node& node = existing(spot);
      node.pending = attributes;
      return node;
    }
    clear(spot);
    hides = options_.layer;
    maker_.make_directory(fd(*spot.directory), spot.name.c_str());
  }
  Node& node = add(*spot.directory, spot.name, attributes);
  if (hides) make_opaque(node);
  return node;
}

void Directories::clear(Spot& spot) {
  if (spot.name.empty()) invalid("the root directory cannot be replaced");
  if (::unlinkat(fd(*spot.directory), spot.name.c_str(), 0) == 0 || errno == ENOENT) {
    // It may have been a link that the remembered parent was found through.
    last_node_ = nullptr;
    return;
  }
  if (errno != EISDIR) base::throw_errno("replace");
  std::string path = path_of(spot);
  flush();
  spot = locate(path);
  sys::remove_tree_at(fd(*spot.directory), spot.name.c_str());
}

void Directories::flush() {
  std::vector<Node*> order;
  for (auto& [key, node] : nodes_) {
    if (node->pending) order.push_back(node.get());
  }
  std::sort(order.begin(), order.end(),
            [](const Node* a, const Node* b) { return a->depth > b->depth; });
  for (Node* node : order)
    base::with_context(base::printable(path_of(*node), 200),
                       [&] { maker_.apply_to_directory(fd(*node), *node->pending); });
  open_.clear();
  nodes_.clear();
  last_node_ = nullptr;
  flushed_ = true;
}

void Directories::finish() {
  flush();
  if (root_->pending) maker_.apply_to_directory(root_->fd.get(), *root_->pending);
}

void Directories::trim() {
  if (nodes_.size() > options_.max_nodes) flush();
}

}  // namespace layer
