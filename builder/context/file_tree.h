#pragma once

#include <sys/stat.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/root.h"
#include "builder/context/digest_index.h"
#include "builder/dockerfile/glob.h"
#include "builder/dockerfile/ignore.h"

namespace context {

/// One file of a tree, as it was when its directory was read. Owned by its FileTree.
struct Node {
  std::string name;  ///< empty for the root
  Node* parent = nullptr;
  struct stat st = {};   ///< status of the file itself, links not followed
  std::string link;      ///< target of a symbolic link
  bool ignored = false;  ///< the ignore file leaves it out (it may still have children that stay)

  bool is_directory() const { return S_ISDIR(st.st_mode); }
  bool is_regular() const { return S_ISREG(st.st_mode); }
  bool is_link() const { return S_ISLNK(st.st_mode); }
  sys::RootedPath path() const;

 private:
  friend class FileTree;
  dockerfile::IgnoreMatcher::State ignore_state;
  std::optional<std::vector<std::unique_ptr<Node>>> children;  // unset: not read yet
  std::optional<FileDigest> digest;
};

/// The files a COPY may select from: a build context behind its ignore file, or the root of a stage
/// or image. Directories are read when first asked for, so only what a recipe names is ever looked
/// at; ignored files are invisible, to look-ups and links too. Links never lead out of the tree.
/// One thread, except read_below() and digest_all() which use their own.
class FileTree {
 public:
  /// `ignore` may be null; `index` may be null (then every digest is computed by reading). Both are
  /// borrowed.
  FileTree(sys::Root root, const dockerfile::IgnoreMatcher* ignore, DigestIndex* index);
  ~FileTree();
  /// Modes are those git would give: 0755 for directories and what its owner may execute, else
  /// 0644. Called before anything is looked at.
  void use_git_modes();
  /// From now on digest_all() ends early with Cancelled when this asks for it.
  void stop_with(std::stop_token stop) { stop_ = std::move(stop); }

  Node& root() { return *root_node_; }
  /// Visible children, sorted by name.
  const std::vector<std::unique_ptr<Node>>& children(Node& directory);
  Node* find_child(Node& directory, std::string_view name);
  /// Reads all directories below `top`, large trees on several threads.
  void read_below(Node& top);

  /// The file at `path`; links in its parents are followed, the last one only if asked. nullptr
  /// when nothing visible is there. Throws Invalid after 255 links.
  Node* find(const sys::RootedPath& path, bool follow_last);

  /// Matches of a COPY source pattern (`*`, `?`, `[class]`, `\x` per component) in walk order; a
  /// matched directory is not searched for more. A pattern without wildcards matches what find()
  /// finds without following. [spec: COPY path sources]
  std::vector<Node*> match(std::string_view pattern);
  /// Matches of a pattern told from `base`, where `**` is any number of directories.
  /// [spec: COPY --parents]
  std::vector<Node*> match_below(Node& base, std::string_view pattern);

  /// Opens the file without following links; the result is what st described, or an Unavailable
  /// error says that it changed meanwhile.
  sys::UniqueFd open(const Node& node, int flags) const;
  /// Opens the directory that holds `node`.
  sys::UniqueFd open_directory(const Node& node) const;

  /// Computes and remembers digests of all the given nodes, on several threads.
  void digest_all(const std::vector<Node*>& nodes);
  /// Digest of content and extended attributes of a regular file, of the attributes of a directory.
  /// Needs an earlier digest_all().
  const FileDigest& digest(const Node& node) const;

  /// Files seen so far (for progress and for errors).
  uint64_t files_seen() const { return files_seen_; }
  bool has_ignore_rules() const { return ignore_ != nullptr; }
  /// The rule of the ignore file that hides what exists at `path`; nullptr when nothing is there or
  /// no rule hides it.
  const dockerfile::IgnorePattern* hiding_rule(const sys::RootedPath& path) const;
  const sys::Root& directory() const { return root_; }

 private:
  void read_directory(Node& directory);
  bool has_visible_child(Node& directory);
  Node* follow(Node* node, int& links);
  Node* walk(Node* start, const std::string& path, bool follow_last, int& links);
  std::vector<Node*> match_from(Node& start, std::string_view pattern, bool deep);
  void match_components(Node& directory, const std::vector<dockerfile::Glob>& components,
                        size_t depth, std::vector<Node*>& matches);
  void match_deep(Node& directory, const dockerfile::Glob& glob, const std::string& prefix,
                  std::vector<Node*>& matches);
  FileDigest read_digest(const Node& node, int directory_fd) const;

  sys::Root root_;
  const dockerfile::IgnoreMatcher* ignore_;
  DigestIndex* index_;
  std::stop_token stop_;
  std::unique_ptr<Node> root_node_;
  std::atomic<uint64_t> files_seen_ = 0;
  bool git_modes_ = false;
};

}  // namespace context
