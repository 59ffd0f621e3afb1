#include "builder/context/file_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace context {

namespace {

constexpr int kMostLinks = 255;

// Does `work` for all of 0..count-1, in runs, on as many threads as pay. Each thread has a copy of
// it.
template <typename Work>
void in_parallel(size_t count, size_t run, const Work& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto take_runs = [&] {
    try {
      Work own = work;
      for (size_t begin = next.fetch_add(run); begin < count; begin = next.fetch_add(run))
        for (size_t i = begin; i < std::min(begin + run, count); ++i) own(i);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  size_t threads =
      std::min<size_t>(std::max(1u, std::thread::hardware_concurrency()), count / run + 1);
  {
    std::vector<std::jthread> workers;
    for (size_t i = 1; i < threads; ++i) workers.emplace_back(take_runs);
    take_runs();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

sys::RootedPath Node::path() const {
  std::vector<const std::string*> names;
  for (const Node* node = this; node->parent != nullptr; node = node->parent)
    names.push_back(&node->name);
  std::string text;
  for (auto part = names.rbegin(); part != names.rend(); ++part) text += "/" + **part;
  return sys::RootedPath(text);
}

FileTree::FileTree(sys::Root root, const dockerfile::IgnoreMatcher* ignore, DigestIndex* index)
    : root_(std::move(root)), ignore_(ignore), index_(index), root_node_(std::make_unique<Node>()) {
  if (::fstat(root_.fd(), &root_node_->st) < 0) base::throw_errno("stat build context");
}

FileTree::~FileTree() = default;

namespace {

void set_git_mode(struct stat& st) {
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return;
  st.st_mode =
      (st.st_mode & S_IFMT) | (S_ISDIR(st.st_mode) || (st.st_mode & S_IXUSR) != 0 ? 0755 : 0644);
}

}  // namespace

void FileTree::use_git_modes() {
  git_modes_ = true;
  set_git_mode(root_node_->st);
}

sys::UniqueFd FileTree::open_directory(const Node& node) const {
  CHECK(node.parent != nullptr);
  return root_.open_at(node.parent->path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

sys::UniqueFd FileTree::open(const Node& node, int flags) const {
  sys::UniqueFd fd = root_.open_at(node.path(), flags | O_NOFOLLOW | O_NONBLOCK);
  struct stat st;
  if (::fstat(fd.get(), &st) < 0) base::throw_errno("stat " + base::printable(node.path().str()));
  if (st.st_ino != node.st.st_ino ||
      (node.is_regular() && FileStamp::of(st) != FileStamp::of(node.st)))
    throw base::Error(base::Code::kUnavailable,
                      base::printable(node.path().str()) + " changed while the build read it",
                      "files-changed");
  return fd;
}

void FileTree::read_directory(Node& directory) {
  std::vector<std::unique_ptr<Node>>& children = directory.children.emplace();
  sys::UniqueFd fd = root_.open_at(directory.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  std::string prefix = directory.parent == nullptr ? "" : directory.path().str().substr(1) + "/";
  for (std::string& name : sys::list_names(fd.get())) {
    auto node = std::make_unique<Node>();
    if (::fstatat(fd.get(), name.c_str(), &node->st, AT_SYMLINK_NOFOLLOW) < 0) {
      if (errno == ENOENT) continue;  // gone since the listing
      base::throw_errno("stat " + base::printable(prefix + name));
    }
    if (git_modes_) set_git_mode(node->st);
    if (ignore_ != nullptr) {
      auto visit = ignore_->visit(prefix + name, directory.ignore_state);
      node->ignored = visit.ignored;
      if (node->ignored && (!node->is_directory() || !ignore_->may_reinclude_below(prefix + name)))
        continue;
      node->ignore_state = std::move(visit.state);
    }
    if (node->is_link()) node->link = sys::read_link_at(fd.get(), name.c_str());
    node->name = std::move(name);
    node->parent = &directory;
    ++files_seen_;
    children.push_back(std::move(node));
  }
  // An ignored directory is seen only through what was brought back below it.
  std::erase_if(children, [&](const std::unique_ptr<Node>& child) {
    return child->ignored && !has_visible_child(*child);
  });
}

bool FileTree::has_visible_child(Node& directory) { return !children(directory).empty(); }

const std::vector<std::unique_ptr<Node>>& FileTree::children(Node& directory) {
  CHECK(directory.is_directory());
  if (!directory.children) read_directory(directory);
  return *directory.children;
}

void FileTree::read_below(Node& top) {
  constexpr size_t kRun = 4;
  std::vector<Node*> level;
  if (top.is_directory()) level.push_back(&top);
  while (!level.empty()) {
    in_parallel(level.size(), kRun, [&](size_t i) { children(*level[i]); });
    std::vector<Node*> next;
    for (Node* directory : level)
      for (const auto& child : *directory->children)
        if (child->is_directory()) next.push_back(child.get());
    level = std::move(next);
  }
}

Node* FileTree::find_child(Node& directory, std::string_view name) {
  const auto& all = children(directory);
  auto found =
      std::lower_bound(all.begin(), all.end(), name,
                       [](const auto& node, std::string_view n) { return node->name < n; });
  return found != all.end() && (*found)->name == name ? found->get() : nullptr;
}

Node* FileTree::follow(Node* node, int& links) {
  while (node != nullptr && node->is_link()) {
    if (++links > kMostLinks)
      throw base::Error(base::Code::kInvalid,
                        "too many symbolic links at " + base::printable(node->path().str()),
                        "too-many-links");
    node = walk(node->link.starts_with('/') ? root_node_.get() : node->parent, node->link, false,
                links);
  }
  return node;
}

Node* FileTree::walk(Node* start, const std::string& path, bool follow_last, int& links) {
  Node* node = start;
  for (const std::string& component : base::split(path, '/')) {
    if (component.empty() || component == ".") continue;
    node = follow(node, links);
    if (node == nullptr || !node->is_directory()) return nullptr;
    if (component == "..") {
      if (node->parent != nullptr) node = node->parent;
    } else {
      node = find_child(*node, component);
      if (node == nullptr) return nullptr;
    }
  }
  return follow_last ? follow(node, links) : node;
}

Node* FileTree::find(const sys::RootedPath& path, bool follow_last) {
  int links = 0;
  return walk(root_node_.get(), path.str(), follow_last, links);
}

std::vector<Node*> FileTree::match(std::string_view pattern) {
  return match_from(*root_node_, pattern, false);
}

std::vector<Node*> FileTree::match_below(Node& base, std::string_view pattern) {
  return match_from(base, pattern, true);
}

std::vector<Node*> FileTree::match_from(Node& start, std::string_view pattern, bool deep) {
  std::vector<std::string> components = sys::RootedPath(pattern).components();
  auto wild = std::find_if(components.begin(), components.end(), dockerfile::has_wildcard);
  std::string prefix = base::join({components.begin(), wild}, "/");
  int links = 0;
  Node* directory = walk(&start, prefix, wild != components.end(), links);
  if (directory == nullptr) return {};
  if (wild == components.end()) return {directory};
  std::vector<Node*> matches;
  if (!directory->is_directory()) return matches;
  std::string rest = base::join({wild, components.end()}, "/");
  if (deep && rest.find("**") != std::string::npos) {
    match_deep(*directory, dockerfile::Glob(rest, dockerfile::Glob::Dialect::kIgnore), "", matches);
    return matches;
  }
  std::vector<dockerfile::Glob> globs;
  for (; wild != components.end(); ++wild)
    globs.emplace_back(*wild, dockerfile::Glob::Dialect::kPath);
  match_components(*directory, globs, 0, matches);
  return matches;
}

void FileTree::match_components(Node& directory, const std::vector<dockerfile::Glob>& components,
                                size_t depth, std::vector<Node*>& matches) {
  for (const auto& child : children(directory)) {
    if (!components[depth].matches(child->name)) continue;
    if (depth + 1 == components.size())
      matches.push_back(child.get());
    else if (child->is_directory())
      match_components(*child, components, depth + 1, matches);
  }
}

void FileTree::match_deep(Node& directory, const dockerfile::Glob& glob, const std::string& prefix,
                          std::vector<Node*>& matches) {
  for (const auto& child : children(directory)) {
    std::string path = prefix + child->name;
    if (glob.matches(path))
      matches.push_back(child.get());
    else if (child->is_directory())
      match_deep(*child, glob, path + "/", matches);
  }
}

const dockerfile::IgnorePattern* FileTree::hiding_rule(const sys::RootedPath& path) const {
  if (ignore_ == nullptr || path.is_root() || !root_.lstat(path)) return nullptr;
  auto visit = ignore_->visit(path.relative(), {});
  return visit.ignored ? &ignore_->pattern(visit.pattern) : nullptr;
}

namespace {

// Large files take long, and nobody should have to wait for what is not wanted any more.
class Stoppable : public base::Source {
 public:
  Stoppable(base::Source& source, const std::stop_token& stop) : source_(source), stop_(stop) {}
  size_t read(std::span<std::byte> buffer) override {
    if (stop_.stop_requested())
      throw base::Error(base::Code::kCancelled, "build cancelled", "cancelled");
    return source_.read(buffer);
  }

 private:
  base::Source& source_;
  const std::stop_token& stop_;
};

}  // namespace

FileDigest FileTree::read_digest(const Node& node, int directory_fd) const {
  base::Sha256 hash;
  sys::UniqueFd fd(::openat(directory_fd, node.name.empty() ? "." : node.name.c_str(),
                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) base::throw_errno("read " + base::printable(node.path().str()));
  if (node.is_regular()) {
    sys::FdSource source(fd.get(), base::printable(node.path().str()));
    Stoppable stoppable(source, stop_);
    uint64_t length = base::copy(stoppable, hash);
    struct stat st;
    if (::fstat(fd.get(), &st) < 0 || FileStamp::of(st) != FileStamp::of(node.st) ||
        length != static_cast<uint64_t>(node.st.st_size))
      throw base::Error(base::Code::kUnavailable,
                        base::printable(node.path().str()) + " changed while the build read it",
                        "files-changed");
  }
  for (const auto& [name, value] : sys::list_xattrs(fd.get())) {
    if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) continue;
    hash.write(base::as_bytes(base::str('\0', name, '\0', value.size(), '\0', value)));
  }
  return hash.finish();
}

void FileTree::digest_all(const std::vector<Node*>& nodes) {
  std::vector<Node*> unknown;
  for (Node* node : nodes) {
    if (node->digest || node->is_link() || !(node->is_regular() || node->is_directory())) continue;
    if (index_ != nullptr) node->digest = index_->find(FileStamp::of(node->st));
    if (!node->digest) unknown.push_back(node);
  }
  // Nodes of one directory are neighbours, and that is opened once.
  constexpr size_t kRun = 64;
  in_parallel(unknown.size(), kRun,
              [this, &unknown, opened_for = static_cast<const Node*>(nullptr),
               directory = std::make_shared<sys::UniqueFd>()](size_t i) mutable {
                Node* node = unknown[i];
                const Node* parent = node->parent != nullptr ? node->parent : node;
                if (parent != opened_for)
                  directory = std::make_shared<sys::UniqueFd>(
                      root_.open_at(parent->path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
                opened_for = parent;
                node->digest = read_digest(*node, directory->get());
              });
  if (index_ == nullptr) return;
  for (Node* node : unknown) index_->put(FileStamp::of(node->st), *node->digest);
}

const FileDigest& FileTree::digest(const Node& node) const {
  CHECK(node.digest.has_value());
  return *node.digest;
}

}  // namespace context
